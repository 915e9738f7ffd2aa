// From what a client sends to a record, and back. Functions on a transaction or view of one
// project's container; thread-safe as far as these are.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/transaction.h"
#include "tools/serve/fhir/errors.h"
#include "tools/serve/fhir/types.h"

namespace ramet::serve::fhir {

// A resource's shape: an object whose resourceType is this one (empty: any that is known), an id
// that is one, meta an object, no NUL in any text.
Outcome<void> check_shape(const Json& resource, std::string_view type);

// Who writes, and where.
struct Authorship {
  Json author;      // a Reference, or null
  ContainerId project;
  bool in_project = true;  // false: it belongs to the server (User, Login)
  // What the client says of the resource's project, author and accounts is kept.
  bool keeps_meta = false;
};

// Writes a resource that has an id, with meta of its own: a new version whose time is behind
// `after` (an instant; empty: there is none before). Gives it as it is stored. `secrets`: as
// RecordPut::secret.
Outcome<Json> write_resource(Types& types, Transaction& transaction, Json resource,
                             const Authorship& by, std::string_view after,
                             std::optional<std::string> secrets = {},
                             std::unique_ptr<ContentWriter> content = nullptr);

// Whether two resources say the same: without what the server says in meta, and empty members.
bool same_content(const Json& a, const Json& b);

// A stored document as JSON; it was written by write_resource().
Json parse_document(const RecordInfo& info);
// The document without what extended readers alone see.
std::string plain_document(const RecordInfo& info);

// The text of a member; empty: there is none.
std::string text_member(const Json& json, std::string_view name);
// meta.NAME.
std::string meta_text(const Json& resource, std::string_view name);

}  // namespace ramet::serve::fhir
