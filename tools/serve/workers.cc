#include "tools/serve/workers.h"

#include <memory>

#include <boost/asio/async_result.hpp>

namespace ramet::serve {

Task<Result<Sequence>> Workers::commit(Store& store, std::unique_ptr<Transaction> transaction) {
  if (transaction->waits_to_commit()) {
    co_return co_await run([&transaction] {
      auto done = transaction->commit();
      transaction.reset();
      return done;
    });
  }
  auto begin = [&store](auto handler, std::unique_ptr<Transaction> own) {
    // The engine's handlers can be copied; a coroutine's cannot.
    auto resume = std::make_shared<decltype(handler)>(std::move(handler));
    auto work = boost::asio::make_work_guard(boost::asio::get_associated_executor(*resume));
    store.commit_async(std::move(own), [resume, work](Result<Sequence> done) {
      boost::asio::post(work.get_executor(), [resume, done = std::move(done)]() mutable {
        std::move (*resume)(std::move(done));
      });
    });
  };
  using Signature = void(Result<Sequence>);
  co_return co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, Signature>(
      std::move(begin), boost::asio::use_awaitable, std::move(transaction));
}

}  // namespace ramet::serve
