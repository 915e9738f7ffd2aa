// The parts that a file was uploaded in: their sizes and MD5s are what clients check downloads by,
// so they stay with the file for ever, wherever it is cloned to, though its content is cut into
// other blocks. Pure, but for parts_of().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/transaction.h"
#include "engine/view.h"
#include "tools/serve/dnanexus/errors.h"

namespace ramet::serve::dnanexus {

// What /file/upload takes (describe: fileUploadParameters).
inline constexpr uint64_t kPartBytesMin = 5u << 20;  // but for the last part
inline constexpr uint64_t kPartBytesMax = uint64_t{5} << 30;
inline constexpr uint32_t kPartsMax = 10'000;
inline constexpr uint64_t kFileBytesMax = uint64_t{5} << 40;

struct Part {
  uint32_t index = 0;  // 1 to kPartsMax
  uint64_t size = 0;
  std::string md5;  // 32 hexadecimal digits in lower case; empty: not known
  friend bool operator==(const Part&, const Part&) = default;
};

// One line each, "INDEX SIZE MD5" ('-' for none), and back. kCorruption.
std::string parts_text(const std::vector<Part>& parts);
Result<std::vector<Part>> parse_parts(std::string_view text);

// A text that belongs to an object: short ones are kept where `inlined` says, long ones as a
// document of the object. Sets `inlined` and the document; the caller keeps the metadata. `name`
// begins with kContentProperty if the text is about the content.
Status set_long_text(Transaction& transaction, const ObjectId& object, std::string_view name,
                     std::string_view text, std::string& inlined);
// What set_long_text() kept; `inlined` is what stands there. Empty: there is none.
Result<std::string> long_text(const View& view, const ObjectInfo& info, std::string_view name,
                              const std::string& inlined);

inline constexpr std::string_view kPartsName = "content.part-table";
// Keeps the table: sets the document and changes the metadata, which the caller keeps.
Status set_parts(Transaction& transaction, const ObjectId& object, const std::vector<Part>& parts,
                 Metadata& metadata);
// Of a file that is closed. One that came another way is one part, without MD5.
Result<std::vector<Part>> parts_of(const View& view, const ObjectInfo& info);

}  // namespace ramet::serve::dnanexus
