#include "tools/serve/pause.h"

#include <algorithm>
#include <chrono>
#include <random>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace ramet::serve {

Task<void> pause_before(int attempt) {
  thread_local std::minstd_rand random{std::random_device{}()};
  const int most = 500 << std::min(attempt, 8);
  const std::chrono::microseconds pause(std::uniform_int_distribution<int>(0, most)(random));
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  timer.expires_after(pause);
  co_await timer.async_wait(boost::asio::use_awaitable);
}

}  // namespace ramet::serve
