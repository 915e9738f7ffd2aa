// Reading the records of one state of a container: by the ids that it shows, with documents that
// name others by these. Functions over an immutable root, used by views and transactions alike.
// Errors and promises are those of engine/record.h.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/container/record_space.h"
#include "engine/container/records.h"
#include "engine/record.h"
#include "engine/tree/query.h"
#include "format/record_body.h"

namespace ramet::engine {

// A field whose name begins with it is the engine's own.
inline constexpr char kOwnField = '@';
// Leads from a file to what refers to it, and from an id that is awaited to what names it.
inline constexpr std::string_view kFileField = "@file";
inline constexpr std::string_view kAwaitsField = "@awaits";

// The value of a field that stands for a link: to a record (its inner id), or to an id that there
// was no record of (as it is shown).
Bytes link_value(TypeNumber type, const ObjectId& inner);
Bytes text_value(TypeNumber type, const ObjectId& shown);

// Thread-safe, as far as `read_block` is.
class RecordReader {
 public:
  using ReadBlock = std::function<Result<Bytes>(const BlockRef&)>;
  // A null `space`: the container is of another form, and everything fails.
  RecordReader(TreeContext& context, const Root& root, std::shared_ptr<const RecordSpace> space,
               ReadBlock read_block)
      : context_(context),
        root_(root),
        space_(std::move(space)),
        read_block_(std::move(read_block)) {}

  Result<RecordInfo> record(TypeNumber type, const ObjectId& id) const;
  Result<bool> has_record(TypeNumber type, const ObjectId& id) const;
  Result<RecordInfo> version(TypeNumber type, const ObjectId& id, const ObjectId& version) const;
  Status versions(TypeNumber type, const ObjectId& id,
                  const std::function<bool(const RecordInfo&)>& visit) const;
  Status records(TypeNumber type, const ObjectId& after,
                 const std::function<bool(const RecordInfo&)>& visit) const;
  Status types(const std::function<bool(TypeNumber, uint64_t)>& visit) const;
  Result<uint64_t> count(TypeNumber type) const;
  Status find(const RecordQuery& query,
              const std::function<bool(ByteView, const ObjectId&)>& visit) const;
  Result<std::string> secret(TypeNumber type, const ObjectId& id) const;

  // --- by inner ids, for the engine
  // --------------------------------------------------------------- kFailedPrecondition: the
  // container holds no records.
  Status check_form() const;
  // nullopt: it does not live here.
  Result<std::optional<ObjectRecord>> find_inner(TypeNumber type, const ObjectId& inner) const;
  Result<bool> lives(TypeNumber type, const ObjectId& inner) const;
  // The depth at which it died.
  Result<std::optional<uint32_t>> death(TypeNumber type, const ObjectId& inner) const;
  Result<RecordBody> body(const ObjectRecord& record) const;
  // The body with what its document shows here.
  Result<RecordBody> shown_body(const ObjectRecord& record) const;
  const RecordSpace& space() const { return *space_; }

 private:
  Result<RecordInfo> info(const ObjectRecord& record) const;
  Result<RecordBody> shown_body(const ObjectRecord& record, std::vector<ObjectId>& own) const;
  // What a link to a record shows that may not live here; `written`: the depth of who says it.
  Result<ObjectId> shown_target(TypeNumber type, const ObjectId& target, uint32_t written) const;
  Result<OriginRecord> origin(uint32_t depth) const;
  // Whether the clone of the origin left the record out, if it lived there.
  Result<bool> left_out(const OriginRecord& origin, uint32_t depth, TypeNumber type,
                        const ObjectId& inner) const;
  Result<ObjectId> shown_at(uint32_t depth, const ObjectId& inner) const;
  Status find_values(const RecordQuery& query, const Bytes& from, const Bytes& to,
                     const std::function<bool(ByteView, const ObjectId&)>& visit,
                     bool* more) const;
  Error not_found(TypeNumber type, const ObjectId& id) const;

  TreeContext& context_;
  Root root_;
  std::shared_ptr<const RecordSpace> space_;
  ReadBlock read_block_;
};

}  // namespace ramet::engine
