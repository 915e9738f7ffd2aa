// Limits and names of content that is on its way in.
#pragma once

#include <cstdint>
#include <string>

namespace ramet::serve::s3 {

inline constexpr uint64_t kObjectBytesMax = uint64_t{5} << 40;  // 5 TiB, as S3 has it
inline constexpr uint64_t kPartBytesMin = 5u << 20;             // but for the last one
inline constexpr uint64_t kPartNumberMax = 10'000;

// 32 hexadecimal digits that nobody can guess.
std::string random_name();

}  // namespace ramet::serve::s3
