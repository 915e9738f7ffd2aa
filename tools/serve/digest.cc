#include "tools/serve/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "format/check.h"

namespace ramet::serve {
namespace {

// Slicing by eight: tables[k][b] is the CRC of byte b followed by k zero bytes.
struct CrcTables {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  explicit CrcTables(uint32_t polynomial) {
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? polynomial : 0);
      tables[0][i] = crc;
    }
    for (size_t k = 1; k < 8; ++k) {
      for (size_t i = 0; i < 256; ++i) {
        const uint32_t before = tables[k - 1][i];
        tables[k][i] = (before >> 8) ^ tables[0][before & 0xFF];
      }
    }
  }
  uint32_t update(uint32_t crc, ByteView bytes) const {
    const char* at = bytes.data();
    size_t left = bytes.size();
    for (; left >= 8; at += 8, left -= 8) {
      const uint32_t low = load<uint32_t>(at) ^ crc;
      const uint32_t high = load<uint32_t>(at + 4);
      crc = tables[7][low & 0xFF] ^ tables[6][(low >> 8) & 0xFF] ^ tables[5][(low >> 16) & 0xFF] ^
            tables[4][low >> 24] ^ tables[3][high & 0xFF] ^ tables[2][(high >> 8) & 0xFF] ^
            tables[1][(high >> 16) & 0xFF] ^ tables[0][high >> 24];
    }
    for (; left > 0; ++at, --left) {
      crc = (crc >> 8) ^ tables[0][(crc ^ static_cast<unsigned char>(*at)) & 0xFF];
    }
    return crc;
  }
};

const CrcTables& tables_of(Algorithm algorithm) {
  static const CrcTables ieee(0xEDB88320u);       // CRC-32 of ISO 3309
  static const CrcTables castagnoli(0x82F63B78u);  // CRC-32C of RFC 3720
  return algorithm == Algorithm::kCrc32 ? ieee : castagnoli;
}

const EVP_MD* method_of(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kMd5: return EVP_md5();
    case Algorithm::kSha1: return EVP_sha1();
    case Algorithm::kSha256: return EVP_sha256();
    default: return nullptr;
  }
}

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

bool same_letters(std::string_view a, std::string_view upper) {
  if (a.size() != upper.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    const char c = a[i] >= 'a' && a[i] <= 'z' ? static_cast<char>(a[i] - 32) : a[i];
    if (c != upper[i]) return false;
  }
  return true;
}

}  // namespace

std::string_view algorithm_name(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kMd5: return "MD5";
    case Algorithm::kSha1: return "SHA1";
    case Algorithm::kSha256: return "SHA256";
    case Algorithm::kCrc32: return "CRC32";
    case Algorithm::kCrc32c: return "CRC32C";
  }
  return "";
}

std::string_view algorithm_suffix(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kMd5: return "md5";
    case Algorithm::kSha1: return "sha1";
    case Algorithm::kSha256: return "sha256";
    case Algorithm::kCrc32: return "crc32";
    case Algorithm::kCrc32c: return "crc32c";
  }
  return "";
}

std::optional<Algorithm> parse_algorithm(std::string_view name) {
  for (const Algorithm algorithm : kChecksums) {
    if (same_letters(name, algorithm_name(algorithm))) return algorithm;
  }
  return std::nullopt;
}

size_t digest_bytes(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kMd5: return 16;
    case Algorithm::kSha1: return 20;
    case Algorithm::kSha256: return 32;
    default: return 4;
  }
}

struct Digest::State {
  std::unique_ptr<EVP_MD_CTX, FreeContext> context;
  uint32_t crc = ~0u;
};

Digest::Digest(Algorithm algorithm) : algorithm_(algorithm), state_(std::make_unique<State>()) {
  if (const EVP_MD* method = method_of(algorithm)) {
    state_->context.reset(EVP_MD_CTX_new());
    RAMET_CHECK(state_->context && EVP_DigestInit_ex(state_->context.get(), method, nullptr) == 1,
                "OpenSSL has no such digest");
  }
}
Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

void Digest::update(ByteView bytes) {
  if (state_->context) {
    RAMET_CHECK(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) == 1,
                "OpenSSL could not hash");
  } else {
    state_->crc = tables_of(algorithm_).update(state_->crc, bytes);
  }
}

Bytes Digest::finish() {
  Bytes out;
  if (state_->context) {
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    RAMET_CHECK(EVP_DigestFinal_ex(state_->context.get(), raw, &length) == 1 &&
                    EVP_DigestInit_ex(state_->context.get(), method_of(algorithm_), nullptr) == 1,
                "OpenSSL could not hash");
    out.assign(reinterpret_cast<const char*>(raw), length);
  } else {
    append_big_endian(out, ~state_->crc);
    state_->crc = ~0u;
  }
  return out;
}

Bytes digest_of(Algorithm algorithm, ByteView bytes) {
  Digest digest(algorithm);
  digest.update(bytes);
  return digest.finish();
}

Bytes hmac_sha256(ByteView key, ByteView message) {
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  RAMET_CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                   reinterpret_cast<const unsigned char*>(message.data()), message.size(), raw,
                   &length) != nullptr,
              "OpenSSL could not compute an HMAC");
  return {reinterpret_cast<const char*>(raw), length};
}

std::string to_hex(ByteView bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

std::optional<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  const auto value = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  Bytes out;
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = value(text[i]);
    const int low = value(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
  }
  return out;
}

std::string to_base64(ByteView bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
  out.resize(static_cast<size_t>(length));
  return out;
}

std::optional<Bytes> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  for (const char c : text.substr(0, text.size() - padding)) {
    const bool fine = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                      c == '+' || c == '/';
    if (!fine) return std::nullopt;
  }
  Bytes out(text.size() / 4 * 3, '\0');
  if (EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(text.data()),
                      static_cast<int>(text.size())) < 0) {
    return std::nullopt;
  }
  out.resize(out.size() - padding);
  return out;
}

bool equal_secretly(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace ramet::serve
