// Bodies on their way in: short ones in memory, others through a staging object of ".uploads",
// whose blocks the object shares in the end.
#include <openssl/rand.h>

#include <fmt/format.h>

#include "tools/serve/s3/content.h"
#include "tools/serve/s3/face.h"

namespace ramet::serve::s3 {

std::string random_name() {
  unsigned char raw[16];
  RAMET_CHECK(RAND_bytes(raw, sizeof(raw)) == 1, "OpenSSL has no random bytes");
  return to_hex({reinterpret_cast<const char*>(raw), sizeof(raw)});
}

Task<Outcome<void>> S3Face::ingest(Payload& payload, std::string first, ContentWriter& writer) {
  std::string piece = std::move(first);
  while (true) {
    if (!piece.empty()) {
      auto appended = co_await services_.workers.run([&]() { return writer.append(piece); });
      if (!appended.ok()) co_return Fault(std::move(appended).error());
      piece.clear();
    }
    if (payload.ended()) co_return Outcome<void>();
    auto got = co_await payload.read(piece, kSmallBody);
    if (!got.ok()) co_return std::move(got).error();
  }
}

Task<Outcome<Content>> S3Face::receive(Call& /*call*/, Payload& payload) {
  Content content;
  if (payload.length() && *payload.length() > kObjectBytesMax) {
    co_return Fault(Code::kEntityTooLarge)
        .with("ProposedSize", std::to_string(*payload.length()))
        .with("MaxSizeAllowed", std::to_string(kObjectBytesMax));
  }
  if (payload.length()) {
    content.bytes.reserve(std::min<uint64_t>(*payload.length(), kSmallBody) + 1);
  }
  while (!payload.ended() && content.bytes.size() <= kSmallBody) {
    auto got = co_await payload.read(content.bytes, kSmallBody + 1 - content.bytes.size());
    if (!got.ok()) co_return std::move(got).error();
  }
  if (payload.ended()) {
    content.size = content.bytes.size();
    content.checked = payload.checked();
    co_return content;
  }
  struct Staging {
    std::unique_ptr<Transaction> transaction;
    std::unique_ptr<ContentWriter> writer;
  };
  auto begun = co_await services_.workers.run([&]() -> Outcome<Staging> {
    RAMET_ASSIGN(const ContainerId container, uploads());
    Staging staging;
    RAMET_ASSIGN(staging.transaction, services_.store.begin(container));
    RAMET_ASSIGN(staging.writer, staging.transaction->write_content());
    return staging;
  });
  if (!begun.ok()) co_return std::move(begun).error();
  Staging staging = std::move(*begun);
  auto ingested = co_await ingest(payload, std::move(content.bytes), *staging.writer);
  content.bytes = {};
  if (!ingested.ok()) {
    // Destroying them may wait for blocks that are on their way.
    co_await services_.workers.run([&]() {
      staging.writer.reset();
      staging.transaction.reset();
      return 0;
    });
    co_return std::move(ingested).error();
  }
  content.size = staging.writer->size();
  content.checked = payload.checked();
  content.staged_name = random_name();
  auto put = co_await services_.workers.run([&]() -> Outcome<ObjectId> {
    RAMET_ASSIGN(const FolderId folder, staging.transaction->create_folders("staging"));
    RAMET_ASSIGN(const ObjectId id,
                 staging.transaction->put_object(folder, content.staged_name, Attributes{},
                                                 std::move(staging.writer)));
    return id;
  });
  if (!put.ok()) co_return std::move(put).error();
  content.staged = *put;
  auto committed =
      co_await services_.workers.commit(services_.store, std::move(staging.transaction));
  if (!committed.ok()) co_return Fault(std::move(committed).error());
  co_return content;
}

Outcome<std::unique_ptr<ContentWriter>> S3Face::write(Transaction& transaction,
                                                      const Content& content) {
  if (content.size == 0) return std::unique_ptr<ContentWriter>();
  RAMET_ASSIGN(auto writer, transaction.write_content());
  if (content.staged) {
    RAMET_ASSIGN(const ContainerId container, uploads());
    RAMET_ASSIGN(const auto view, services_.store.view(container));
    RAMET_TRY(writer->append_from(*view, *content.staged, 0, content.size));
  } else {
    RAMET_TRY(writer->append(content.bytes));
  }
  return writer;
}

Task<void> S3Face::forget(Content& content) {
  if (!content.staged) co_return;
  auto container = uploads();
  if (!container.ok()) co_return;
  const std::string name = content.staged_name;
  auto removed = co_await change(
      *container, [&](Transaction& transaction, const View&) -> Outcome<void> {
        RAMET_ASSIGN(const Entry folder, transaction.lookup("staging"));
        RAMET_TRY(transaction.remove(folder.folder, name));
        return {};
      });
  ignore_error(removed, "what is left takes no space of its own, and goes at the next start");
}

}  // namespace ramet::serve::s3
