// Nonces: a client that did not hear the answer asks again with the same nonce, and is told the
// same for an hour. They stand beside what they made, in documents of the container, and come with
// the same commit: "dnanexus.nonces.00" to ".ff", so that callers seldom meet; each keeps the last
// few.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/transaction.h"
#include "engine/view.h"
#include "tools/serve/dnanexus/errors.h"

namespace ramet::serve::dnanexus {

struct Nonce {
  std::string document;  // where it stands
  std::string key;       // hashes of whose it is, for which call,
  std::string input;     // and of what was asked
};
// nullopt: the input has none. InvalidInput: longer than 128 bytes, or no text.
Outcome<std::optional<Nonce>> read_nonce(const Json& input, std::string_view caller,
                                         std::string_view route);
// What it made before; nullopt: nothing. InvalidInput: of another input.
Outcome<std::optional<std::string>> find_nonce(const View& view, const Nonce& nonce, int64_t now);
// Keeps what it makes now. `now` in milliseconds.
Outcome<void> keep_nonce(Transaction& transaction, const View& view, const Nonce& nonce,
                         const std::string& made, int64_t now);

}  // namespace ramet::serve::dnanexus
