// Metadata and locks between an object's record and plain values. Pure; thread-safe.
#pragma once

#include <span>
#include <vector>

#include "engine/object.h"
#include "format/object_generated.h"
#include "format/result.h"

namespace ramet::engine {

// Fields of a record, made before its table is begun; null offsets where there is nothing.
struct MetadataFields {
  using Text = flatbuffers::Offset<flatbuffers::String>;
  using Texts = flatbuffers::Offset<flatbuffers::Vector<Text>>;
  Text media_type = 0;
  Texts types = 0;
  Texts tags = 0;
  flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<fb::Property>>> properties = 0;
  Text details = 0;
};
MetadataFields encode_metadata(flatbuffers::FlatBufferBuilder& builder, const Metadata& metadata);
void add_metadata(fb::ObjectBuilder& table, const MetadataFields& fields);
// kCorruption: more in it than `bytes_max` [INV-8].
Status decode_metadata(const fb::Object& table, size_t bytes_max, Metadata& metadata);

using DocumentFields =
    flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<fb::ObjectDocument>>>;
DocumentFields encode_documents(flatbuffers::FlatBufferBuilder& builder,
                                const std::vector<ObjectDocument>& documents);
// With the last of the references, which are taken off. kCorruption: there are fewer, or more in it
// than `bytes_max` [INV-8].
Status decode_documents(const fb::Object& table, size_t bytes_max,
                        std::span<const BlockRef>& refs, std::vector<ObjectDocument>& documents);

void add_lock(fb::ObjectBuilder& table, const ObjectLock& lock);
ObjectLock decode_lock(const fb::Object& table);

struct StandingFields {
  MetadataFields::Text title = 0;
  flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<fb::Link>>> links = 0;
};
StandingFields encode_standing(flatbuffers::FlatBufferBuilder& builder, const Standing& standing);
// All but the flags.
void add_standing(fb::ObjectBuilder& table, const Standing& standing,
                  const StandingFields& fields);
// All but the flags. kCorruption: more in it than `bytes_max` [INV-8].
Status decode_standing(const fb::Object& table, size_t bytes_max, Standing& standing);
// kInvalidArgument: too many links, or a title that is none.
Status check_standing(const Standing& standing, std::string_view name);

// kInvalidArgument: too long, or properties that are not in order.
Status check_metadata(const Metadata& metadata, std::string_view name);
// Leaves out what says something of a content that is not there any more.
void drop_content_properties(Metadata& metadata);
void drop_content_documents(std::vector<ObjectDocument>& documents);

}  // namespace ramet::engine
