#pragma once
// Idle upstream connections, kept by {isolation tag, host, port, TLS identity} (DESIGN section 8).
//
// A Route is one such key: what serve/ dials, with its idle connections, newest first. The pool bounds them all
// together. A route whose connections belong to one credential (a client certificate) is its owner's, who retires it:
// the pool knows it by its idle connections alone. Thread safety: one pool a worker. Ownership: the pool owns idle
// connections; a lease owns its own until given back.
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "proxy/net/upstream.hpp"

namespace postern::net {

class Pool;

class Route {
 public:
  // `kept`: false for one that no pool knows, whose connections are closed after use.
  explicit Route(Destination to, bool kept = true) : to_(std::move(to)), current_(kept) {}
  const Destination& to() const noexcept { return to_; }
  // False once its pool was cleared, or it was retired: ask for the route again.
  bool current() const noexcept { return current_; }
  // What runs on it may end; nothing begins on its connections any more, and none of them comes back to the pool.
  void retire() noexcept { current_ = false; }

 private:
  friend class Pool;
  struct Idle {
    std::shared_ptr<Route> route;  // outlives the upstream, which refers to its destination
    std::unique_ptr<Upstream> upstream;
    std::int64_t since = 0;  // monotonic ms
    bool rested = false;
  };
  Destination to_;
  bool current_;
  std::vector<std::list<Idle>::iterator> idle_;  // oldest first, newest at the back
};

class Pool {
 public:
  Pool(Worker& worker, const AddressPolicy& policy, std::size_t max_idle, Millis idle_for);
  ~Pool();

  // The route of a key; `make` is called once for a new one. Stays valid while a shared_ptr is held.
  template <class Make>
  std::shared_ptr<Route> route(std::string_view key, Make make) {
    if (const auto found = routes_.find(key); found != routes_.end()) return found->second;
    if (routes_.size() >= kMaxRoutes) drop_unused_routes();
    return routes_.emplace(std::string(key), std::make_shared<Route>(make())).first->second;
  }
  // An idle connection that is still fresh and still allowed, or nullptr. `young_only`: idle for less than 4 s, for
  // requests that cannot be sent twice.
  std::unique_ptr<Upstream> lease(Route& route, bool young_only);
  // Kept for the next one, unless the route is not current any more.
  void give_back(const std::shared_ptr<Route>& route, std::unique_ptr<Upstream> upstream);
  void clear();
  // Closes the idle connections of routes that are not current any more.
  void drop_retired();
  void set_limits(std::size_t max_idle, Millis idle_for) noexcept {
    max_idle_ = max_idle;
    idle_for_ = idle_for;
  }
  SessionCache& sessions() noexcept { return sessions_; }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const noexcept { return std::hash<std::string_view>{}(s); }
  };
  static constexpr std::size_t kMaxRoutes = 65'536;
  static constexpr std::int64_t kYoungMs = 4'000;
  static constexpr std::int64_t kRestMs = 1'000;  // after this long without a request TLS gives its buffers back
  void drop(std::list<Route::Idle>::iterator at);
  void drop_unused_routes();
  void reap();

  Worker& worker_;
  const AddressPolicy& policy_;
  std::size_t max_idle_;
  Millis idle_for_;
  SessionCache sessions_;
  std::unordered_map<std::string, std::shared_ptr<Route>, Hash, std::equal_to<>> routes_;
  std::list<Route::Idle> oldest_first_;
  std::list<Route::Idle> spare_;  // empty places, so that a lease and its return allocate nothing
  Deadline reaper_;
};

}  // namespace postern::net
