#include "proxy/serve/noted.hpp"

#include <utility>

namespace postern::serve {
namespace {

constexpr std::int64_t kMinute = 60'000;
constexpr const char* kOpen = "anyone";      // in open mode
constexpr const char* kUnknown = "unknown";  // without a valid token
constexpr const char* kOthers = "others";    // who are too many

}  // namespace

void Noted::use(const vault::Authorization& caller, const vault::Connection& connection, std::string_view host,
                std::string_view request, std::int64_t now_ms) {
  std::string key = connection.organization + '\n' + caller.id + '\n' + connection.id + '\n';
  key += host;
  const std::scoped_lock lock(mutex_);
  if (const auto today = day_of(now_ms); today != day_ || uses_.size() >= kMostUses) {
    uses_.clear();
    day_ = today;
  }
  if (!uses_.insert(std::move(key)).second) return;
  vault::Event event;
  event.organization = connection.organization;
  event.project = connection.project;
  event.actor = caller.id.empty() ? kOpen : caller.id;
  event.actor_name = caller.name;
  event.request = request;
  event.action = "connection.used";
  event.subject = connection.id;
  event.detail = {{"host", std::string(host)}};
  wait(std::move(event));
}

void Noted::denial(const vault::Authorization* caller, std::string_view code, std::int64_t now_ms) {
  const std::scoped_lock lock(mutex_);
  if (const auto minute = now_ms / kMinute; minute != minute_) {
    end_minute();
    minute_ = minute;
  }
  Denied who;
  who.actor = kUnknown;
  if (caller != nullptr) {
    who.organization = caller->organization;
    who.actor = caller->id.empty() ? kOpen : caller->id;
    who.name = caller->name;
  }
  std::string key = who.organization + '\n' + who.actor;
  if (denied_.size() >= kMostCallers && !denied_.contains(key)) {
    who = Denied();
    who.actor = key = kOthers;
  }
  const bool first = denied_.empty();
  Denied& denied = denied_.try_emplace(std::move(key), std::move(who)).first->second;
  if (denied.count++ == 0) denied.first = now_ms;
  denied.last = now_ms;
  ++denied.codes[std::string(code)];
  if (first && waiting_) waiting_();
}

void Noted::wait(vault::Event event) {
  if (events_.size() >= kMostWaiting) {
    ++lost_;
    return;
  }
  events_.push_back(std::move(event));
  if (waiting_) waiting_();
}

void Noted::end_minute() {
  for (auto& [key, denied] : denied_) {
    vault::Event event;
    event.organization = denied.organization;
    event.actor = denied.actor;
    event.actor_name = denied.name;
    event.action = "call.denied";
    for (const auto& [code, count] : denied.codes) event.detail.emplace(code, std::to_string(count));
    event.count = denied.count;
    event.first = denied.first;
    event.last = denied.last;
    wait(std::move(event));
  }
  denied_.clear();
}

std::vector<vault::Event> Noted::take(std::int64_t now_ms, bool all) {
  const std::scoped_lock lock(mutex_);
  if (all || now_ms / kMinute != minute_) end_minute();
  if (lost_ != 0) {
    vault::Event event;
    event.actor = "system";
    event.action = "audit.lost";
    event.count = std::exchange(lost_, 0);
    events_.push_back(std::move(event));
  }
  return std::exchange(events_, {});
}

bool Noted::empty() const {
  const std::scoped_lock lock(mutex_);
  return events_.empty() && denied_.empty() && lost_ == 0;
}

}  // namespace postern::serve
