// Readiness as the sockets of one worker see it.
#include "proxy/net/reactor.hpp"

#include <gtest/gtest.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <memory>
#include <string>
#include <vector>

#include "proxy/net/socket.hpp"
#include "tests/support/loop.hpp"

namespace postern::net {
namespace {

using test::Far;
using test::Loop;
using test::Pair;

struct End {
  explicit End(Loop& loop) : socket(std::make_unique<Socket>(loop.worker)) {
    Pair pair = test::tcp_pair();
    socket->adopt(pair.near);
    far = std::move(pair.far);
  }
  std::unique_ptr<Socket> socket;
  Far far;
};

Task<std::string> read_once(Socket& socket, std::size_t most = 1024) {
  std::string got(most, '\0');
  for (;;) {
    if (!co_await socket.readable()) co_return "cancelled";
    const IoResult r = socket.read(got.data(), got.size());
    if (r.io == Io::again) continue;
    if (r.io != Io::ok) co_return r.io == Io::closed ? "closed" : "failed";
    got.resize(r.size);
    co_return got;
  }
}

TEST(Reactor, sees_an_end_that_came_together_with_the_last_bytes) {
  Loop loop;
  End end(loop);
  EXPECT_EQ(end.socket->peek(), Io::again);
  end.far.send("last");
  end.far.end();
  EXPECT_EQ(loop.run(read_once(*end.socket)), "last");
  EXPECT_EQ(loop.run(read_once(*end.socket)), "closed");
}

TEST(Reactor, sees_an_end_that_came_after_the_bytes_were_reported) {
  Loop loop;
  End end(loop);
  const auto both = [&]() -> Task<std::string> {
    // The socket has been tried in vain, so that what follows is the kernel's report and nothing else.
    char byte = 0;
    EXPECT_EQ(end.socket->read(&byte, 1).io, Io::again);
    loop.worker.post([&] { end.far.send("first"); });
    const std::string first = co_await read_once(*end.socket);
    loop.worker.post([&] { end.far.end(); });
    co_return first + "," + co_await read_once(*end.socket);
  };
  EXPECT_EQ(loop.run(both()), "first,closed");
}

TEST(Reactor, knows_that_more_is_there_when_a_read_was_full) {
  Loop loop;
  End end(loop);
  end.far.send("abcdef");
  EXPECT_EQ(loop.run(read_once(*end.socket, 4)), "abcd");
  EXPECT_EQ(loop.run(read_once(*end.socket, 4)), "ef");
}

TEST(Reactor, forgets_a_socket_that_another_one_of_the_same_report_closed) {
  Loop loop;
  End first(loop), second(loop);
  char byte = 0;
  EXPECT_EQ(first.socket->read(&byte, 1).io, Io::again);
  EXPECT_EQ(second.socket->read(&byte, 1).io, Io::again);
  int ended = 0;
  const auto wait_and_close_the_other = [&](End& mine, End& other) -> Task<void> {
    if (co_await mine.socket->readable()) other.socket->close();
    ++ended;
  };
  spawn(wait_and_close_the_other(first, second));
  spawn(wait_and_close_the_other(second, first));
  first.far.send("x");
  second.far.send("x");
  loop.until([&] { return ended == 2; });
  EXPECT_NE(first.socket->is_open(), second.socket->is_open());
}

TEST(Reactor, wakes_whom_it_cancels_only_after_the_canceller_is_through) {
  Loop loop;
  End end(loop);
  char byte = 0;
  EXPECT_EQ(end.socket->read(&byte, 1).io, Io::again);
  std::vector<std::string> order;
  spawn([](End& e, std::vector<std::string>& told) -> Task<void> {
    told.push_back(co_await e.socket->readable() ? "ready" : "cancelled");
  }(end, order));
  loop.worker.post([&] {
    end.socket->cancel();
    order.emplace_back("through");
  });
  loop.until([&] { return order.size() == 2; });
  EXPECT_EQ(order, (std::vector<std::string>{"through", "cancelled"}));
}

TEST(Reactor, lets_others_run_between_many_reads_that_never_have_to_wait) {
  Loop loop;
  End end(loop);
  end.far.send(std::string(100, 'x'));
  int reads = 0, reads_before_the_other = 0;
  loop.worker.post([&] { reads_before_the_other = reads; });
  const auto greedy = [&]() -> Task<int> {
    for (; reads < 100; ++reads) co_await read_once(*end.socket, 1);
    co_return reads;
  };
  EXPECT_EQ(loop.run(greedy()), 100);
  EXPECT_GT(reads_before_the_other, 0);
  EXPECT_LT(reads_before_the_other, 100);
}

TEST(Reactor, wakes_a_writer_once_there_is_room_again) {
  Loop loop;
  End end(loop);
  const std::string block(1 << 20, 'x');
  std::size_t written = 0;
  for (IoResult r; (r = end.socket->write(block)).io == Io::ok;) written += r.size;
  const auto wait = [&]() -> Task<bool> { co_return co_await end.socket->writable(); };
  loop.worker.post([&] {
    std::string got;
    while (got.size() < written && end.far.receive_some(got, nullptr)) {
    }
  });
  EXPECT_TRUE(loop.run(wait()));
  EXPECT_EQ(end.socket->write("y").io, Io::ok);
}

TEST(Reactor, calls_a_socket_quiet_only_within_a_report_that_would_have_named_it) {
  Loop loop;
  End idle(loop), busy(loop);
  char byte = 0;
  EXPECT_EQ(idle.socket->read(&byte, 1).io, Io::again);
  EXPECT_EQ(busy.socket->read(&byte, 1).io, Io::again);
  EXPECT_FALSE(idle.socket->is_quiet());  // nobody has reported anything: nothing is known
  std::vector<bool> quiet;
  const auto look_when_busy = [&]() -> Task<std::string> {
    for (int turn = 0; turn < 2; ++turn) {
      co_await read_once(*busy.socket);
      quiet.push_back(idle.socket->is_quiet());
      if (turn != 0) break;
      idle.far.send("surplus");
      loop.worker.post([&] { busy.far.send("next"); });
    }
    co_return "";
  };
  loop.worker.post([&] { busy.far.send("first"); });
  loop.run(look_when_busy());
  EXPECT_EQ(quiet, (std::vector<bool>{true, false}));
  EXPECT_FALSE(idle.socket->is_quiet());
}

// Both of `first` and `second` have something to read in one report; `act` is called with each of them in its turn.
template <class Act>
void with_both_ready(Loop& loop, End& first, End& second, Act act) {
  char byte = 0;
  EXPECT_EQ(first.socket->read(&byte, 1).io, Io::again);
  EXPECT_EQ(second.socket->read(&byte, 1).io, Io::again);
  int turns = 0;
  const auto turn = [&](End& mine) -> Task<void> {
    EXPECT_EQ(co_await read_once(*mine.socket), "x");
    act(mine, ++turns);
  };
  spawn(turn(first));
  spawn(turn(second));
  first.far.send("x");
  second.far.send("x");
  loop.until([&] { return turns == 2; });
}

TEST(Reactor, sends_the_small_writes_of_one_report_together_and_each_sockets_in_order) {
  Loop loop;
  End first(loop), second(loop);
  const std::string large(10'000, 'l');
  with_both_ready(loop, first, second, [&](End& mine, int turn) {
    EXPECT_EQ(mine.socket->write("a").io, Io::ok);
    char byte = 0;
    EXPECT_EQ(::recv(mine.far.fd(), &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1) << "sent before its turn was over";
    if (turn == 1) return;
    EXPECT_EQ(mine.socket->write("b").io, Io::ok);
    EXPECT_EQ(mine.socket->write(large).size, large.size());
    EXPECT_EQ(mine.socket->write("c").io, Io::ok);
    mine.socket->close();
  });
  End& closed = first.socket->is_open() ? second : first;
  End& open = first.socket->is_open() ? first : second;
  EXPECT_EQ(closed.far.receive_all(), "ab" + large + "c");
  open.socket->end_writing();
  EXPECT_EQ(open.far.receive_all(), "a");
}

TEST(Reactor, sends_what_was_written_before_an_end_of_writing_and_before_a_close) {
  Loop loop;
  End first(loop), second(loop);
  with_both_ready(loop, first, second, [&](End& mine, int turn) {
    EXPECT_EQ(mine.socket->write("last").io, Io::ok);
    if (turn == 1)
      mine.socket->end_writing();
    else
      mine.socket->close();
    EXPECT_EQ(mine.far.receive_all(), "last");
  });
}

TEST(Reactor, holds_nothing_for_a_peer_that_does_not_read) {
  Loop loop;
  End first(loop), second(loop);
  const std::string block(1 << 20, 'x');
  for (End* end : {&first, &second}) {
    while (end->socket->write(block).io == Io::ok) {
    }
  }
  with_both_ready(loop, first, second, [&](End& mine, int) {
    int before = 0, after = 0;
    ::ioctl(mine.socket->fd(), SIOCOUTQ, &before);
    const IoResult written = mine.socket->write("y");
    ::ioctl(mine.socket->fd(), SIOCOUTQ, &after);
    EXPECT_GT(before, 0);
    EXPECT_EQ(after, written.io == Io::ok ? before + 1 : before);  // in the kernel's queue, or refused
  });
}

TEST(Reactor, sends_more_small_writes_than_it_holds) {
  constexpr int kMany = 40;
  Loop loop;
  std::vector<std::unique_ptr<End>> ends;
  for (int i = 0; i < kMany; ++i) ends.push_back(std::make_unique<End>(loop));
  const std::string text(3000, 't');
  int turns = 0;
  const auto turn = [&](End& mine) -> Task<void> {
    EXPECT_EQ(co_await read_once(*mine.socket), "x");
    EXPECT_EQ(mine.socket->write(text).size, text.size());
    ++turns;
  };
  char byte = 0;
  for (auto& end : ends) {
    EXPECT_EQ(end->socket->read(&byte, 1).io, Io::again);
    spawn(turn(*end));
    end->far.send("x");
  }
  loop.until([&] { return turns == kMany; });
  for (auto& end : ends) {
    end->socket->end_writing();
    EXPECT_EQ(end->far.receive_all(), text);
  }
}

}  // namespace
}  // namespace postern::net
