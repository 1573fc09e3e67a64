// Security schemes become ways to authenticate: each that is ever asked for alone, and each set that is asked for
// together.
#include <algorithm>

#include <fmt/format.h>

#include "config/decode.hpp"
#include "config/openapi_parts.hpp"

namespace postern::config {
namespace {

namespace json = boost::json;

using Set = std::vector<std::string>;  // sorted names of schemes

constexpr std::size_t kMostEntries = 32;
constexpr int kMostSteps = 16;  // of a $ref

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

json::object secret(const std::string& title, const std::string& description) {
  json::object out{{"secret", true}, {"title", title}};
  if (!description.empty()) out["description"] = description;
  return out;
}

json::object rule(std::string_view place, const std::string& name, const std::string& value) {
  return {{place, name}, {"value", value}};
}

// A scheme whose credential is sent as it is: its fields and rules, with names that begin as `prefix` says.
struct Static {
  std::string type;
  json::object fields;
  json::array inject;
};

class Schemes {
 public:
  explicit Schemes(Import& import) : import_(import) {
    const Node* components = import.document.find("components");
    schemes_ = components ? components->find("securitySchemes") : nullptr;
  }

  Result<void> run() {
    if (!import_.options.auth.empty()) {
      if (auto fine = as_told(); !fine) return fine;
      if (!schemes_) return {};
    }
    if (!schemes_ || !schemes_->is_map() || schemes_->items.empty())
      return std::unexpected(import_.document.error(
          "names no components/securitySchemes: say how to authenticate with --auth bearer, basic or header:NAME"));
    for (std::size_t i = 0; i < schemes_->items.size(); ++i) {
      auto node = follow(schemes_->items[i]);
      if (!node) return std::unexpected(node.error());
      found_.emplace(schemes_->keys[i].text, *node);
    }
    count();
    for (const Node& key : schemes_->keys) {
      const bool together = std::any_of(sets_.begin(), sets_.end(), [&](const auto& set) {
        return set.first.size() > 1 && std::find(set.first.begin(), set.first.end(), key.text) != set.first.end();
      });
      if (together && !sets_.contains({key.text})) continue;
      alone(key.text);
    }
    for (const auto& [set, operations] : sets_)
      if (set.size() > 1) together(set, operations);
    return judged();
  }

 private:
  // What --auth says, beside the schemes.
  Result<void> as_told() {
    const std::string& told = import_.options.auth;
    const std::size_t colon = std::min(told.find(':'), told.size());
    const std::string place = told.substr(0, colon);
    json::object entry{{"type", place == "bearer" ? "BEARER" : place == "basic" ? "BASIC" : "API_KEY"}};
    if (colon < told.size()) {
      entry["fields"] = json::object{{"apiKey", secret("API key", "")}};
      entry["inject"] = json::array{rule(place, told.substr(colon + 1), "${apiKey}")};
    }
    const bool known = colon == told.size() ? place == "bearer" || place == "basic"
                                            : place == "header" || place == "query" || place == "cookie";
    auto wrong = known ? import_.mistake(import_.hosts, import_.fields, {{"told", entry}})
                       : "write bearer, basic, header:NAME, query:NAME or cookie:NAME";
    if (wrong) return std::unexpected(Error{"--auth", 0, 0, "", *wrong});
    const std::string name = colon == told.size() ? place : "api_key";
    import_.out.mapped.push_back({name, std::string(entry.at("type").as_string()), {}, 0});
    import_.auth[name] = std::move(entry);
    return {};
  }

  // `#/components/securitySchemes/NAME`, as often as it takes; anything else is outside of what is read.
  Result<const Node*> follow(const Node& from) {
    const Node* at = &from;
    for (int step = 0; step < kMostSteps; ++step) {
      const Node* ref = at->find("$ref");
      if (!ref) return at;
      constexpr std::string_view here = "#/components/securitySchemes/";
      if (!ref->is_scalar() || !ref->text.starts_with('#'))
        return std::unexpected(ref->error("a $ref out of the document is not followed; bundle the document first"));
      const Node* next = ref->text.starts_with(here) ? schemes_->find(ref->text.substr(here.size())) : nullptr;
      if (!next)
        return std::unexpected(ref->error(fmt::format("'{}' leads to no security scheme", one_line(ref->text))));
      at = next;
    }
    return std::unexpected(from.error("a circle of $ref"));
  }

  // How many operations may be called with exactly which schemes.
  void count() {
    const Node* shared = import_.document.find("security");
    bool any = false;
    if (const Node* paths = import_.document.find("paths"))
      for (const Node& path : paths->items)
        for (std::size_t i = 0; i < path.items.size(); ++i) {
          if (path.keys.size() <= i || path.keys[i].text == "servers") continue;
          any = true;
          const Node* own = path.items[i].find("security");
          count(own ? own : shared, 1);
        }
    if (!any) count(shared, 0);
    if (open_ > 0)
      import_.out.remarks.push_back(
          {"", fmt::format("{} operation{} may be called without any of these", open_, open_ == 1 ? "" : "s")});
  }
  void count(const Node* security, std::size_t operations) {
    if (!security || !security->is_list() || security->items.empty()) {
      open_ += operations;
      return;
    }
    for (const Node& requirement : security->items) {
      Set set;
      for (const Node& name : requirement.keys) {
        if (!found_.contains(name.text)) {
          if (told_.insert(name.text).second)
            import_.remark(name,
                           fmt::format("'{}' is asked for and is not among the schemes", one_line(name.text, 64)));
          continue;
        }
        set.push_back(name.text);
      }
      std::sort(set.begin(), set.end());
      if (set.empty())
        open_ += requirement.keys.empty() ? operations : 0;
      else
        sets_[set] += operations;
    }
  }

  std::size_t operations_of(const Set& set) const {
    const auto found = sets_.find(set);
    return found == sets_.end() ? 0 : found->second;
  }

  void alone(const std::string& name) {
    const Node& scheme = *found_.at(name);
    for (AuthEntry& entry : entries(name, scheme, true)) {
      const std::string base = slug(name, 48).empty() ? lower(member(scheme, "type")) : slug(name, 48);
      add(base + entry.suffix, std::move(entry.entry), {name}, operations_of({name}), scheme);
    }
  }

  // What one scheme becomes by itself; empty: nothing, and it was said (where `tell`).
  std::vector<AuthEntry> entries(const std::string& name, const Node& scheme, bool tell) {
    if (import_.options.skip.contains(name)) {
      if (tell) import_.unmapped(scheme, fmt::format("{}: left out, as you asked", name));
      return {};
    }
    const std::string type = member(scheme, "type");
    if (type == "oauth2") return cached(name, [&] { return import_oauth2(import_, name, scheme); });
    if (type == "openIdConnect") return cached(name, [&] { return import_openid(import_, name, scheme); });
    auto plain = as_static(name, scheme, "", tell);
    if (!plain) return {};
    json::object entry{{"type", plain->type}, {"title", one_line(name, 60)}};
    if (!plain->fields.empty()) entry["fields"] = plain->fields;
    if (!plain->inject.empty()) entry["inject"] = plain->inject;
    return {{"", std::move(entry)}};
  }
  // An OAuth scheme is looked at once, whatever it is a part of: what is not mapped of it is said once.
  template <class Make>
  std::vector<AuthEntry> cached(const std::string& name, Make make) {
    const auto there = oauth_.find(name);
    return there != oauth_.end() ? there->second : oauth_.emplace(name, make()).first->second;
  }

  // `prefix` empty: the only scheme of its entry. nullopt: not mapped, and said (where `tell`).
  std::optional<Static> as_static(const std::string& name, const Node& scheme, const std::string& prefix, bool tell) {
    const std::string type = member(scheme, "type");
    const std::string description = one_line(member(scheme, "description"));
    const auto refuse = [&](std::string why) {
      if (tell) import_.unmapped(scheme, fmt::format("{}: {}", one_line(name, 64), why));
      return std::nullopt;
    };
    if (type == "apiKey") return key(name, scheme, prefix, description, refuse);
    const auto bound = [&](const char* as) -> std::optional<Static> {
      if (!prefix.empty()) return refuse(fmt::format("{} beside other schemes: write such an entry by hand", as));
      Static out;
      out.type = as;
      return out;
    };
    if (type == "mutualTLS") return bound("CERTIFICATE");
    if (type != "http") return refuse(fmt::format("'{}' is no type of security scheme", one_line(type, 40)));
    const std::string word = lower(member(scheme, "scheme"));
    const std::string base = prefix.empty() ? "" : prefix + "_";
    Static out;
    if (word == "bearer") {
      out.type = "BEARER";
      if (prefix.empty()) return out;
      out.fields[prefix] = secret(one_line(name, 60), description);
      out.inject.push_back(rule("header", "Authorization", "Bearer ${" + prefix + "}"));
      return out;
    }
    if (word == "basic") {
      out.type = "BASIC";
      if (prefix.empty()) return out;
      out.fields[base + "username"] = json::object{{"secret", false}, {"title", one_line(name, 40) + ": user name"}};
      out.fields[base + "password"] = secret(one_line(name, 40) + ": password", description);
      out.inject.push_back(
          rule("header", "Authorization", fmt::format("Basic ${{basic({0}username, {0}password)}}", base)));
      return out;
    }
    if (word == "digest") return bound("DIGEST");
    return refuse(fmt::format("the http scheme '{}' is not known here", one_line(word, 40)));
  }

  template <class Refuse>
  std::optional<Static> key(const std::string& name, const Node& scheme, const std::string& prefix,
                            const std::string& description, const Refuse& refuse) {
    const std::string place = member(scheme, "in"), where = member(scheme, "name");
    if (place != "header" && place != "query" && place != "cookie")
      return refuse(fmt::format("an apiKey is in header, query or cookie, not in '{}'", one_line(place, 40)));
    // AWS writes its signatures down as an apiKey, with this beside it.
    if (member(scheme, "x-amazon-apigateway-authtype") == "awsSigv4")
      return refuse("AWS signatures are not taken from a document; the shipped entry aws has them");
    if (place == "header" && lower(where) == "cookie")
      return refuse("a whole Cookie field is not a key; name the cookie (in: cookie)");
    Static out;
    out.type = "API_KEY";
    const std::string field = prefix.empty() ? "apiKey" : prefix;
    out.fields[field] = secret(one_line(name, 60), description);
    out.inject.push_back(rule(place, where, "${" + field + "}"));
    if (place == "header" && lower(where) == "authorization")
      import_.remark(scheme, fmt::format("{}: sent as it is in Authorization; where the service wants a word before it "
                                         "('Bearer …'), that is part of the key",
                                         one_line(name, 64)));
    return out;
  }

  // All of the set in one entry. One OAuth scheme may be among them: the others are then the operator's, like its
  // client.
  void together(const Set& set, std::size_t operations) {
    json::object fields;
    json::array inject;
    std::vector<AuthEntry> oauth;
    const Node& at = *found_.at(set.front());
    std::string names, base;
    for (const std::string& name : set) {
      names += (names.empty() ? "" : " + ") + one_line(name, 64);
      base += (base.empty() ? "" : "-and-") + slug(name, 24);
      const Node& scheme = *found_.at(name);
      const std::string type = member(scheme, "type");
      if (type == "oauth2" || type == "openIdConnect") {
        if (!oauth.empty()) return import_.unmapped(at, names + ": two kinds of OAuth in one request");
        oauth = entries(name, scheme, true);
        if (oauth.empty()) return import_.unmapped(at, names + ": a part of it is not mapped");
        continue;
      }
      auto part = import_.options.skip.contains(name) ? std::nullopt : as_static(name, scheme, field_name(name), true);
      if (!part) return import_.unmapped(at, names + ": a part of it is not mapped");
      for (auto& one : part->fields) fields[one.key()] = one.value();
      for (auto& one : part->inject) inject.push_back(one);
    }
    if (oauth.empty())
      return add(base, {{"type", "CUSTOM"}, {"title", one_line(names, 60)}, {"fields", fields}, {"inject", inject}},
                 set, operations, at);
    for (AuthEntry& entry : oauth) {
      json::object app{{"clientId", {{"secret", false}, {"title", "Client id"}}}};
      if (const auto* token = entry.entry.if_contains("token");
          !token || !token->as_object().contains("client_auth") || token->as_object().at("client_auth") != "none")
        app["clientSecret"] = secret("Client secret", "");
      for (auto& one : fields) app[one.key()] = one.value();
      json::array rules{rule("header", "Authorization", "Bearer ${accessToken}")};
      for (auto& one : inject) rules.push_back(one);
      entry.entry["title"] = one_line(names, 60);
      entry.entry["app_fields"] = std::move(app);
      entry.entry["inject"] = std::move(rules);
      add(base + entry.suffix, std::move(entry.entry), set, operations, at);
    }
  }

  std::string field_name(const std::string& name) const {
    std::string out;
    for (const char c : name) {
      const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
      out += fits ? c : '_';
    }
    if (out.empty() || (out[0] >= '0' && out[0] <= '9')) out.insert(0, "_");
    out.resize(std::min<std::size_t>(out.size(), 48));
    return import_.fields.contains(out) || out == "clientId" || out == "clientSecret" ? out + "_key" : out;
  }

  void add(const std::string& wanted, json::object entry, const Set& set, std::size_t operations, const Node& at) {
    if (import_.auth.size() == kMostEntries)
      return import_.unmapped(at, fmt::format("{}: more than {} ways to authenticate", wanted, kMostEntries));
    const std::string name = free_name(import_.auth, wanted);
    const std::string type(entry.at("type").as_string());
    if (auto wrong = import_.mistake(import_.hosts, import_.fields, {{name, entry}}))
      return import_.unmapped(at, fmt::format("{}: {}", one_line(set.front(), 64), *wrong));
    import_.auth[name] = std::move(entry);
    import_.out.mapped.push_back({name, type, set, operations});
  }

  Result<void> judged() {
    auto& mapped = import_.out.mapped;
    std::sort(mapped.begin(), mapped.end(), [](const auto& a, const auto& b) { return a.auth < b.auth; });
    const bool waits = !import_.out.discovery.empty() || !import_.out.unconfirmed.empty();
    if (!import_.auth.empty() || waits) return {};
    std::string why;
    for (std::size_t i = before_; i < import_.out.unmapped.size(); ++i)
      why += (why.empty() ? "" : "; ") + import_.out.unmapped[i].text;
    return std::unexpected(
        schemes_->error(fmt::format("none of its ways to authenticate can be mapped: {}", one_line(why, 600))));
  }

  Import& import_;
  const Node* schemes_ = nullptr;
  std::map<std::string, const Node*> found_;
  std::map<Set, std::size_t> sets_;
  std::map<std::string, std::vector<AuthEntry>> oauth_;
  std::set<std::string> told_;
  std::size_t open_ = 0;
  const std::size_t before_ = import_.out.unmapped.size();  // what the servers have said
};

}  // namespace

Result<void> import_schemes(Import& import) {
  return Schemes(import).run();
}

}  // namespace postern::config
