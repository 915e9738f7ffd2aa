// Secrets of resources: what is cut out of their JSON when they are written, and kept beside the
// record (RecordPut::secret): never in a version, never in a clone (docs/fhir.md#secrets). Whoever
// writes a resource for a client calls split_secrets(), whoever hands one out show_secrets(). What
// is kept is a JSON object of members; "@client" is a client's secret, as a hash. Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tools/serve/fhir/errors.h"

namespace ramet::serve::fhir {

struct Login;  // auth.h

// Whether resources of this type have members that are secrets. Those of all others can be handed
// out as they are stored.
bool has_secrets(std::string_view type);

// Takes the secrets out of a resource that is about to be written. `kept`: what
// RecordView::record_secret() gave (empty: nothing, or a new record). Gives what RecordPut::secret
// is to be; nullopt: as it was. A secret that the resource does not say stays as it is, since who
// writes may not have been shown it; null or an empty list takes it away. One that the login would
// not be shown is passed over. A client's is kept as a hash; kInvalid: it is too short to be one,
// or no text.
Outcome<std::optional<std::string>> split_secrets(const Login& login, std::string_view kept,
                                                  Json& resource);
// Puts back those that this login may see, of its own project alone (by meta.project, which must
// still be there). Never a client's own secret.
void show_secrets(const Login& login, std::string_view kept, Json& resource);

// --- a client's secret ---------------------------------------------------------------------------

// 256 random bits, as 64 hexadecimal digits.
std::string new_client_secret();
// Instead of the one before, beside the others in `kept`: what RecordPut::secret is to be.
std::string with_client_secret(std::string_view kept, std::string_view secret);
// Takes the same time whatever differs. False where there is none.
bool is_client_secret(std::string_view kept, std::string_view secret);
// Some of the kept hash, for tokens: another one once the secret was replaced. Empty: there is
// none.
std::string secret_mark(std::string_view kept);

// The program ends before it goes on with weak ones.
std::string random_bytes(size_t count);
// A UUID of version 4, for what is no record.
std::string random_uuid();

}  // namespace ramet::serve::fhir
