#include "format/id_cipher.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include <openssl/evp.h>

namespace ramet {
namespace {

constexpr int kRounds = 10;
constexpr int kHalfBits = 61;
constexpr uint64_t kHalfMask = (uint64_t{1} << kHalfBits) - 1;
constexpr int kAesBlockBytes = 16;

struct ContextDeleter {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, ContextDeleter>;

// The 122 free bits of an id in UUID order, cut in the middle.
struct Halves {
  uint64_t left = 0;
  uint64_t right = 0;
};

// High word: 48 bits, version (4 bits), 12 bits. Low word: variant (2 bits), 62 bits.
constexpr uint64_t kLowMask = (uint64_t{1} << 62) - 1;

Halves split(const IdBytes& bytes) {
  const auto high = load_big_endian<uint64_t>(bytes.data());
  const uint64_t low = load_big_endian<uint64_t>(bytes.data() + 8) & kLowMask;
  const uint64_t first60 = (high >> 16) << 12 | (high & 0xFFF);
  return {first60 << 1 | low >> kHalfBits, low & kHalfMask};
}

IdBytes join(const Halves& halves) {
  const uint64_t first60 = halves.left >> 1;
  const uint64_t high = (first60 >> 12) << 16 | 0x4000 | (first60 & 0xFFF);
  const uint64_t low =
      uint64_t{1} << 63 | (halves.left & 1) << kHalfBits | halves.right;
  IdBytes bytes{};
  for (size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<uint8_t>(high >> (56 - 8 * i));
    bytes[8 + i] = static_cast<uint8_t>(low >> (56 - 8 * i));
  }
  return bytes;
}

// AES-128_key(round, 7 zero bytes, right half) of each, of which the low 61 bits of the first word
// count. Requires: room for two words of each in `blocks`.
void round_function(EVP_CIPHER_CTX* context, int round, std::span<const Halves> halves,
                    uint64_t* blocks) {
  for (size_t i = 0; i < halves.size(); ++i) {
    std::array<uint8_t, kAesBlockBytes> input{};
    input[0] = static_cast<uint8_t>(round);
    store(input.data() + 8, halves[i].right);
    std::memcpy(blocks + 2 * i, input.data(), input.size());
  }
  auto* const bytes = reinterpret_cast<uint8_t*>(blocks);
  const auto wanted = static_cast<unsigned>(halves.size() * kAesBlockBytes);
  // (Whole blocks: nothing is buffered, so EVP_EncryptUpdate() would only ask more.)
  RAMET_CHECK(EVP_Cipher(context, bytes, bytes, wanted) > 0, "AES-128 failed");
}

}  // namespace

// libcrypto's contexts are not thread-safe, so each call takes one from a pool of copies.
struct IdCipher::State {
  std::mutex mu;
  Context keyed;              // guarded by mu; copied when the pool is empty
  std::vector<Context> idle;  // guarded by mu

  explicit State(const IdCipherKey& key) : keyed(EVP_CIPHER_CTX_new()) {
    RAMET_CHECK(keyed != nullptr &&
                    EVP_EncryptInit_ex(keyed.get(), EVP_aes_128_ecb(), nullptr, key.data(),
                                       nullptr) == 1 &&
                    EVP_CIPHER_CTX_set_padding(keyed.get(), 0) == 1,
                "libcrypto has no AES-128");
  }

  Context take() {
    std::lock_guard lock(mu);
    if (!idle.empty()) {
      Context context = std::move(idle.back());
      idle.pop_back();
      return context;
    }
    Context context(EVP_CIPHER_CTX_new());
    RAMET_CHECK(context != nullptr && EVP_CIPHER_CTX_copy(context.get(), keyed.get()) == 1,
                "libcrypto can't copy a context");
    return context;
  }

  void give_back(Context context) {
    std::lock_guard lock(mu);
    idle.push_back(std::move(context));
  }
};

IdCipher::IdCipher(const IdCipherKey& key)
    : state_(key == IdCipherKey{} ? nullptr : std::make_unique<State>(key)) {}
IdCipher::~IdCipher() = default;
IdCipher::IdCipher(IdCipher&&) noexcept = default;
IdCipher& IdCipher::operator=(IdCipher&&) noexcept = default;

IdBytes IdCipher::encrypt_bytes(const IdBytes& inner) const {
  ObjectId id{inner};
  encrypt_all({&id, 1});
  return id.bytes;
}

void IdCipher::encrypt_all(std::span<ObjectId> ids) const {
  if (is_identity()) return;
  Context context = state_->take();
  // A round of many ids is one call of libcrypto, which is most of what a block costs.
  constexpr size_t kAtOnce = 64;
  std::array<Halves, kAtOnce> halves;
  std::array<uint64_t, 2 * kAtOnce> blocks;
  for (; !ids.empty(); ids = ids.subspan(std::min(kAtOnce, ids.size()))) {
    const size_t count = std::min(kAtOnce, ids.size());
    for (size_t i = 0; i < count; ++i) halves[i] = split(ids[i].bytes);
    for (int round = 0; round < kRounds; ++round) {
      round_function(context.get(), round, {halves.data(), count}, blocks.data());
      for (size_t i = 0; i < count; ++i) {
        halves[i] = {halves[i].right, halves[i].left ^ (blocks[2 * i] & kHalfMask)};
      }
    }
    for (size_t i = 0; i < count; ++i) {
      if (has_id_shape(ids[i].bytes)) ids[i].bytes = join(halves[i]);
    }
  }
  state_->give_back(std::move(context));
}

IdBytes IdCipher::decrypt_bytes(const IdBytes& outer) const {
  if (is_identity() || !has_id_shape(outer)) return outer;
  Context context = state_->take();
  Halves halves = split(outer);
  for (int round = kRounds; round-- > 0;) {
    const Halves swapped{halves.right, halves.left};
    std::array<uint64_t, 2> block;
    round_function(context.get(), round, {&swapped, 1}, block.data());
    halves = {halves.right ^ (block[0] & kHalfMask), halves.left};
  }
  state_->give_back(std::move(context));
  return join(halves);
}

}  // namespace ramet
