#include "proxy/net/duplex.hpp"

namespace postern::net {
namespace {

using End = Relayed::End;

class Duplex {
 public:
  Duplex(Client& client, Upstream& upstream, ReadBuffer& from_upstream, Millis idle)
      : client_(client),
        upstream_(upstream),
        from_upstream_(from_upstream),
        idle_(idle),
        silence_(client.worker().ticker(), [](void* self) { static_cast<Duplex*>(self)->stop(End::idle); }, this) {}

  Task<Relayed> run() {
    heard();
    spawn(run_down());
    if (!co_await up()) stop(End::cut);
    co_await down_ended_.wait();
    co_return relayed_;
  }

 private:
  // Both directions end with either's failure; the first reason is the one that counts.
  void stop(End why) {
    if (relayed_.end == End::whole) relayed_.end = why;
    client_.socket().cancel();
    upstream_.socket().cancel();
  }
  void heard() { silence_.arm(idle_); }

  Task<void> run_down() {
    if (!co_await down()) stop(End::cut);
    down_ended_.set();
  }

  // True: the caller has ended its stream, and the upstream knows.
  Task<bool> up() {
    ReadBuffer& bytes = client_.in;
    for (;;) {
      if (!bytes.empty()) {
        const std::size_t size = bytes.view().size();
        if (co_await upstream_.write(bytes.view()) != Io::ok) co_return false;
        relayed_.up += size;
        bytes.consume(size);
        heard();
      }
      bytes.release();
      const Io io = co_await client_.fill(bytes);
      if (io == Io::closed) co_return co_await upstream_.end_writing() == Io::ok;
      if (io != Io::ok) co_return false;
      heard();
    }
  }

  // True: the upstream has ended its stream, and the caller knows.
  Task<bool> down() {
    ReadBuffer& bytes = from_upstream_;
    for (;;) {
      if (!bytes.empty()) {
        const std::size_t size = bytes.view().size();
        if (co_await client_.write(bytes.view(), idle_) != Io::ok) co_return false;
        relayed_.down += size;
        bytes.consume(size);
        heard();
      }
      bytes.release();
      if (!co_await upstream_.readable()) co_return false;
      bytes.ensure();
      const IoResult r = upstream_.read_now(bytes.space(), bytes.space_size());
      if (r.io == Io::closed) co_return co_await client_.end_writing() == Io::ok;
      if (r.io == Io::failed) co_return false;
      if (r.io == Io::ok) {
        bytes.grow(r.size);
        heard();
      }
    }
  }

  Client& client_;
  Upstream& upstream_;
  ReadBuffer& from_upstream_;
  const Millis idle_;
  Deadline silence_;
  Event down_ended_;
  Relayed relayed_;
};

}  // namespace

Task<Relayed> relay_both(Client& client, Upstream& upstream, ReadBuffer& from_upstream, Millis idle) {
  client.let_go();
  client.socket().no_deadline();
  upstream.socket().no_deadline();
  Duplex duplex(client, upstream, from_upstream, idle);
  const Relayed relayed = co_await duplex.run();
  client.in.release();
  from_upstream.release();
  if (relayed.end != End::whole) upstream.socket().reset_on_close();  // nobody may take it for an end
  co_return relayed;
}

}  // namespace postern::net
