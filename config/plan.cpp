// What a connection becomes under a provider: its checked values, frozen destinations and rules. The whole is one pass
// that collects every mistake; messages never quote a value of `value`.
#include <algorithm>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "config/catalog.hpp"
#include "config/decode.hpp"
#include "config/destinations.hpp"
#include "config/hosts.hpp"
#include "config/sign.hpp"

namespace postern::config {
namespace {

constexpr std::size_t kMaxValue = 16 * 1024;  // of one secret; a header field could not carry more anyway
constexpr std::size_t kMaxKept = 64 * 1024;   // of one that is not sent: a chain of certificates
constexpr std::size_t kMaxConfig = 64 * 1024;

enum class Checks : std::uint8_t { all, config, none, app, app_config };

std::string escaped(std::string_view name) {  // RFC 6901 section 3
  std::string out;
  for (char c : name.substr(0, 128)) out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return out;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

class Planner {
 public:
  Planner(const Provider& provider, const ConnectionInput& input, Checks checks)
      : provider_(provider), input_(input), checks_(checks) {}

  std::expected<Plan, std::vector<Error>> run() {
    choose_auth();
    if (mistakes_.empty() || auth_) read_config();
    if (auth_ && config_read_) {
      provider_.generic ? plan_generic() : plan_entry();
      plan_sign();
      absent_fields();
      if (checks_ == Checks::all || checks_ == Checks::app) check_values();
      if (checks_ != Checks::none)
        for (const auto& [name, text] : plan_.variables) check_landing(name, text, "/config/");
    }
    if (!mistakes_.empty()) return std::unexpected(mistakes_.take());
    return std::move(plan_);
  }

 private:
  // An auth config: its own fields, and some of the variables that its connections share.
  bool of_app() const { return checks_ == Checks::app || checks_ == Checks::app_config; }

  void add(std::string pointer, std::string message) {
    mistakes_.add(Error{"", 0, 0, std::move(pointer), std::move(message)});
  }

  // --- which auth entry -------------------------------------------------------------------------------------------
  void choose_auth() {
    Names names, types;
    std::vector<const Auth*> fits;
    for (const auto& [name, auth] : provider_.auth) {
      names.push_back(name);
      if (std::find(types.begin(), types.end(), auth.type) == types.end()) types.push_back(auth.type);
      const bool by_name = input_.auth.empty() || input_.auth == name;
      const bool by_type =
          input_.type.empty() ? !input_.auth.empty() || is_static_type(auth.type) : input_.type == auth.type;
      if (by_name && by_type) fits.push_back(&auth);
    }
    if (fits.empty() && input_.auth.empty() && input_.type.empty() && provider_.auth.size() == 1)
      fits.push_back(&provider_.auth.begin()->second);
    const auto named = provider_.auth.find(input_.auth);
    if (!input_.auth.empty() && named == provider_.auth.end())
      return add("/auth", unknown("auth entry", input_.auth, names) +
                              fmt::format("; {} has {}", provider_.id, fmt::join(names, ", ")));
    if (fits.empty() && !input_.auth.empty())
      return add("/type", fmt::format("the auth entry '{}' is of type {}", input_.auth, named->second.type));
    if (fits.empty() && std::find(known_types().begin(), known_types().end(), input_.type) == known_types().end())
      return add("/type", unknown("type", input_.type, known_types()));
    if (fits.empty())
      return add("/type", fmt::format("{} has no auth entry of type {}; it has {}", provider_.id, input_.type,
                                      fmt::join(types, ", ")));
    if (fits.size() > 1) {
      Names choices;
      for (const Auth* auth : fits) choices.push_back(auth->name);
      return add(input_.type.empty() ? "/type" : "/auth",
                 fmt::format("several auth entries fit; name one as auth: {}", fmt::join(choices, ", ")));
    }
    auth_ = fits[0];
    plan_.auth = auth_->name;
    plan_.type = auth_->type;
    fields_ = of_app() ? auth_->app_fields : auth_->fields;
    plan_.inject = auth_->inject;
    sign_ = auth_->sign;
  }

  // --- config -----------------------------------------------------------------------------------------------------
  void read_config() {
    if (input_.config_json.size() > kMaxConfig) return add("/config", "config is larger than 64 KiB");
    boost::system::error_code failed;
    const auto value = boost::json::parse(input_.config_json.empty() ? "{}" : input_.config_json, failed);
    if (failed || !(value.is_object() || value.is_null())) return add("/config", "config must be a JSON object");
    config_ = from_json(value, "/config");
    config_read_ = true;
  }

  void plan_entry() {
    boost::json::object normal;
    Names names;
    for (const auto& [name, spec] : provider_.fields) {
      names.push_back(name);
      const Node* node = config_.find(name);
      if (!node && of_app()) continue;
      std::string text = spec.default_value;
      if (node && spec.list) {
        plan_list(name, spec, *node, normal);
        continue;
      }
      if (node && !(node->is_scalar() && node->quoted)) {
        if (checks_ != Checks::none) mistakes_.add(*node, fmt::format("'{}' must be a string", name));
        continue;
      }
      if (node) text = node->text;
      if (text.empty() && spec.required && checks_ != Checks::none) {
        add("/config/" + name, node ? fmt::format("'{}' is empty", name) : missing(name, spec));
        continue;
      }
      if (node && checks_ != Checks::none) check_text("/config/" + name, name, spec, text);
      plan_.variables[name] = text;
      if (!text.empty()) normal[name] = text;
    }
    for (const Node& key : config_.keys)
      if (checks_ != Checks::none && !provider_.fields.contains(key.text))
        mistakes_.add(key, unknown("variable", key.text, names));
    plan_.config_json = boost::json::serialize(normal);
    // A mistake above would only be told again by every host that uses the variable.
    if (!mistakes_.empty() || of_app()) return;
    if (auto frozen = freeze_destinations(provider_, plan_.variables, mistakes_)) {
      plan_.destinations = std::move(frozen->destinations);
      plan_.base_url = std::move(frozen->base_url);
    }
  }

  // A list, or one text with commas, as a command line gives it. Kept with commas.
  void plan_list(const std::string& name, const FieldSpec& spec, const Node& node, boost::json::object& normal) {
    Names items;
    const auto split = [&](std::string_view text) {
      for (std::size_t at = 0; at <= text.size();) {
        const std::size_t end = std::min(text.find(',', at), text.size());
        std::string_view item = text.substr(at, end - at);
        while (item.starts_with(' ')) item.remove_prefix(1);
        while (item.ends_with(' ')) item.remove_suffix(1);
        if (!item.empty()) items.emplace_back(item);
        at = end + 1;
      }
    };
    bool texts = node.is_list() || (node.is_scalar() && node.quoted);
    if (node.is_scalar()) split(node.text);
    for (const Node& item : node.items) {
      texts = texts && item.is_scalar() && item.quoted;
      split(item.text);
    }
    if (checks_ != Checks::none) {
      if (!texts) return mistakes_.add(node, fmt::format("'{}' must be a list of strings", name));
      if (items.empty() && spec.required) return add("/config/" + name, fmt::format("'{}' is empty", name));
      for (const std::string& item : items) check_text("/config/" + name, name, spec, item);
    }
    std::sort(items.begin(), items.end());
    items.erase(std::unique(items.begin(), items.end()), items.end());
    plan_.variables[name] = fmt::format("{}", fmt::join(items, ","));
    if (!items.empty()) normal[name] = boost::json::array(items.begin(), items.end());
  }

  static std::string missing(const std::string& name, const FieldSpec& spec) {
    const bool titled = !spec.title.empty() && spec.title != name;
    return fmt::format("'{}'{} is required", name, titled ? " (" + spec.title + ")" : "");
  }

  // --- the generic provider ---------------------------------------------------------------------------------------
  void plan_generic() {
    MapReader in(config_, "config", mistakes_);
    const Node* hosts = in.get("hosts");
    const Node* inject = in.get("inject");
    const Node* base = in.get("base_url");
    const Node* sign = sign_ ? in.get("sign") : nullptr;
    in.finish();
    boost::json::object normal;
    if (sign_) sign_ = decode_sign(sign, config_, plan_.type, {}, fields_, mistakes_);
    if (sign) normal["sign"] = to_json(*sign);
    if (!hosts || !hosts->is_list() || hosts->items.empty())
      add("/config/hosts", "hosts is required: the list of hosts that may see the secret, like [\"api.example.com\"]");
    else
      normal["hosts"] = generic_hosts(*hosts);
    if (inject) {
      generic_inject(*inject);
      normal["inject"] = to_json(*inject);
    } else if (plan_.inject.empty() && !sign_ && !sign) {
      add("/config/inject", fmt::format("inject is required for type {}, like [{{\"header\": \"X-Api-Key\", \"value\": "
                                        "\"${{apiKey}}\"}}]",
                                        plan_.type));
    }
    if (!plan_.destinations.empty()) plan_.base_url = url_of_host(plan_.destinations.front());
    if (base) generic_base(*base, normal);
    plan_.config_json = boost::json::serialize(normal);
  }

  boost::json::array generic_hosts(const Node& list) {
    boost::json::array out;
    for (const Node& item : list.items) {
      const std::size_t before = mistakes_.size();
      if (!item.quoted) {
        mistakes_.add(item, "a host must be a string");
        continue;
      }
      if (item.text.starts_with('*'))
        mistakes_.add(item, "a connection's hosts are exact; name each host");
      else if (item.text.find('$') != item.text.npos)
        mistakes_.add(item, "a connection's hosts hold no variables");
      if (mistakes_.size() != before) continue;
      auto host = decode_host(item, {}, mistakes_);
      if (!host) continue;
      const std::string text = join_host_port(host->host, host->port);
      out.push_back(
          boost::json::string((host->port == 443 ? text.substr(0, text.rfind(':')) : text) + host->path_prefix));
      if (!add_destination(plan_.destinations, std::move(*host)))
        mistakes_.add(item, fmt::format("the host '{}' is listed twice", text));
    }
    return out;
  }

  void generic_inject(const Node& list) {
    // Beside a certificate the connection brings what its rules name, like one of fields of its own.
    const bool custom = plan_.type == "CUSTOM" || plan_.type == "CERTIFICATE";
    Names known;
    for (const auto& [name, spec] : fields_)
      if (!stays_here(plan_.type, name)) known.push_back(name);
    plan_.inject = decode_rules(list, custom ? nullptr : &known, mistakes_);
    if (!custom) return;
    FieldSpec spec;
    spec.secret = true;
    for (const InjectRule& rule : plan_.inject)
      for (const std::string& name : rule.value.variables()) {
        if (stays_here(plan_.type, name))
          mistakes_.add(list, fmt::format("a rule uses '{}', which is shown in the handshake and never sent", name));
        fields_.emplace(name, spec);
      }
  }

  void generic_base(const Node& node, boost::json::object& normal) {
    const std::string url = decode_url(node, {}, mistakes_);
    const auto host = url.empty() ? std::nullopt : host_of_url(url);
    if (!host) return;
    if (!holds_host(plan_.destinations, *host)) return mistakes_.add(node, "base_url must be one of the hosts");
    plan_.base_url = url;
    normal["base_url"] = url;
  }

  // --- value ------------------------------------------------------------------------------------------------------
  void absent_fields() {
    for (const auto& [name, spec] : fields_)
      if (!spec.required && !input_.value.contains(name)) plan_.variables.emplace(name, spec.default_value);
  }

  void plan_sign() {
    if (!sign_) return;
    plan_.scheme = sign_->scheme;
    plan_.sign = expand_sign(*sign_, plan_.variables);
    plan_.sign_with = sign_->with;
    for (const auto& [name, value] : sign_->with) plan_.required.push_back(name);
    if (!sign_->with.empty()) return;
    for (const std::string& name : sign_fields(*sign_, fields_)) fields_[name].required = true;
    for (const auto& [name, spec] : fields_)
      if (spec.required) plan_.required.push_back(name);
  }

  void check_values() {
    Names names;
    for (const auto& [name, spec] : fields_) {
      names.push_back(name);
      const auto value = input_.value.find(name);
      const std::string pointer = "/value/" + name;
      if (value == input_.value.end()) {
        if (spec.required) add(pointer, missing(name, spec));
        continue;
      }
      if (value->second.empty()) {
        if (spec.required || !spec.default_value.empty()) add(pointer, fmt::format("'{}' is empty", name));
        continue;
      }
      if (check_text(pointer, name, spec, value->second)) check_landing(name, value->second, "/value/");
    }
    for (const auto& [name, value] : input_.value)
      if (!fields_.contains(name))
        add("/value/" + escaped(name),
            unknown("field", name, names) + fmt::format("; it takes {}", fmt::join(names, ", ")));
  }

  bool check_text(const std::string& pointer, const std::string& name, const FieldSpec& spec, const std::string& text) {
    const std::size_t most = stays_here(plan_.type, name) ? kMaxKept : kMaxValue;
    if (text.size() > most) return add(pointer, fmt::format("'{}' is longer than {} KiB", name, most / 1024)), false;
    if (spec.pattern.empty()) return true;
    if (text.size() > kMaxPatterned)
      return add(pointer, fmt::format("'{}' is longer than {} bytes", name, kMaxPatterned)), false;
    if (pattern_matches(spec.pattern, text)) return true;
    return add(pointer, fmt::format("'{}' does not match {}{}", name, spec.pattern,
                                    spec.example.empty() ? "" : ", like " + spec.example)),
           false;
  }

  // Refuses what would break out of the place a value lands in. Bodies (form, json) are encoded, so they take anything.
  void check_landing(const std::string& name, const std::string& text, std::string_view root) {
    for (const InjectRule& rule : plan_.inject)
      for (const auto& part : rule.value.parts()) {
        const auto at = std::find(part.arguments.begin(), part.arguments.end(), name);
        if (at == part.arguments.end()) continue;
        const bool plain = part.function.empty() || part.function == "lower";
        const auto refused = refuse_landing(rule.place, plain, text);
        if (refused) return add(std::string(root) + name, fmt::format("'{}' {}", name, *refused));
        if (part.function == "basic" && at == part.arguments.begin() && text.find(':') != text.npos)
          return add(std::string(root) + name,
                     fmt::format("'{}' holds a colon, which ends a user name (RFC 7617)", name));
      }
  }

  static std::optional<std::string> refuse_landing(Place place, bool plain, std::string_view text) {
    if (place == Place::form || place == Place::json || text.empty()) return std::nullopt;
    if (has_control(text)) return "holds a line break or another control character";
    if (!plain) return std::nullopt;
    if (place == Place::header && (text.front() == ' ' || text.back() == ' '))
      return "begins or ends with a space, which a header field would lose";
    if (place == Place::cookie && text.find_first_of(" \",;\\") != text.npos)
      return "holds a space, quote, comma, ';' or '\\', which a cookie cannot carry";
    if (place == Place::path && (!parse_path_prefix("/" + std::string(text)) || text.find('/') != text.npos))
      return "holds a character that a path segment cannot carry";
    return std::nullopt;
  }

  const Provider& provider_;
  const ConnectionInput& input_;
  const Checks checks_;
  const Auth* auth_ = nullptr;
  std::map<std::string, FieldSpec> fields_;
  std::optional<Sign> sign_;
  Node config_;
  bool config_read_ = false;
  Mistakes mistakes_;
  Plan plan_;
};

}  // namespace

std::expected<Plan, std::vector<Error>> plan_connection(const Provider& provider, const ConnectionInput& input,
                                                        bool values_given) {
  return Planner(provider, input, values_given ? Checks::all : Checks::config).run();
}

std::expected<Plan, std::vector<Error>> plan_app(const Provider& provider, const ConnectionInput& input,
                                                 bool values_given) {
  return Planner(provider, input, values_given ? Checks::app : Checks::app_config).run();
}

Result<Plan> plan_stored(const Provider& provider, std::string_view auth, std::string_view config_json) {
  const ConnectionInput input{"", std::string(auth), {}, std::string(config_json)};
  auto plan = Planner(provider, input, Checks::none).run();
  if (!plan) return std::unexpected(plan.error().front());
  return std::move(*plan);
}

}  // namespace postern::config
