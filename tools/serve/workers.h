// Workers: threads for calls of the engine that may wait for the disk, so that those which serve
// connections never do.
#pragma once

#include <optional>
#include <type_traits>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "engine/no_wait.h"
#include "engine/store.h"
#include "tools/serve/http.h"

namespace ramet::serve {

class Workers {
 public:
  explicit Workers(size_t threads) : pool_(threads) {}
  // Waits for what runs.
  ~Workers() { pool_.join(); }

  // Calls `work` on a worker; the coroutine goes on where it was. `work` returns a value.
  template <typename Work>
  Task<std::invoke_result_t<Work&>> run(Work work) {
    // In an optional, since Asio makes a value of its own when the coroutine threw.
    using Value = std::invoke_result_t<Work&>;
    auto done = co_await boost::asio::co_spawn(
        pool_, [&work]() -> Task<std::optional<Value>> { co_return work(); },
        boost::asio::use_awaitable);
    co_return std::move(*done);
  }

  // What `work`, which returns a Result or Status, gives if it need not wait for the disk, here and
  // now; else nothing: run() does it then. So it may be called twice, and must not keep anything of
  // the first time.
  template <typename Work>
  static std::optional<std::invoke_result_t<Work&>> at_once(Work& work) {
    const NoWaitScope no_wait;
    std::optional<std::invoke_result_t<Work&>> result(work());
    if (!result->ok() && result->error().code() == ErrorCode::kWouldWait) result.reset();
    return result;
  }

  // Both. (A coroutine costs as much as a look-up: what every request does calls both itself.)
  template <typename Work>
  Task<std::invoke_result_t<Work&>> run_quick(Work work) {
    if (auto result = at_once(work)) co_return std::move(*result);
    co_return co_await run(std::move(work));
  }

  // Commits without holding any thread while the disk syncs.
  Task<Result<Sequence>> commit(Store& store, std::unique_ptr<Transaction> transaction);

 private:
  boost::asio::thread_pool pool_;
};

}  // namespace ramet::serve
