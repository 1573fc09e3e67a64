#include "proxy/serve/explain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "proxy/serve/decide.hpp"
#include "proxy/serve/explain_budget.hpp"
#include "proxy/serve/explain_head.hpp"
#include "proxy/serve/explain_token.hpp"
#include "proxy/serve/load.hpp"
#include "proxy/serve/renewal.hpp"

namespace postern::serve {
namespace {

using observe::Decision;
using observe::Explanation;
using observe::Outcome;
using observe::Question;

std::string listed_or_any(const std::optional<std::vector<std::string>>& list) {
  if (!list) return "any";
  return list->empty() ? "none" : fmt::format("{}", fmt::join(*list, ", "));
}

std::string text_of(const vault::Destination& to) {
  return fmt::format("{}:{}{}", to.host, to.port, to.path_prefix);
}

std::string text_of(const config::HostRule* rule) {
  if (rule == nullptr) return "egress.default: allow";
  return fmt::format("egress.allow: {}{}:{}", rule->wildcard ? "*" : "", rule->host, rule->port);
}

class Explaining {
 public:
  Explaining(const Rules& rules, const Common& common, const Question& question)
      : rules_(rules), common_(common), question_(question), source_(*rules.source), now_ms_(common.now_ms()) {
    request_.rules = &rules;
  }

  Explanation run() {
    struct Verb {
      int step;
      const char* name;
      Step (Explaining::*judge)(Explanation::Part&);
    };
    static constexpr Verb kStory[] = {
        {1, "read_head", &Explaining::read_head}, {2, "admit", &Explaining::admitted},
        {3, "identify", &Explaining::identify},   {4, "authorize", &Explaining::authorize},
        {5, "obtain", &Explaining::obtain},       {6, "collect", &Explaining::collect},
        {7, "inject", &Explaining::injected},     {8, "forward", &Explaining::forward}};
    out_.outcome = Outcome::forwarded;
    for (const Verb& verb : kStory) {
      Explanation::Part part{.step = verb.step, .name = verb.name, .rule = {}, .detail = {}, .reason = {}};
      if (out_.outcome == Outcome::forwarded) {
        part.decision = Decision::allowed;
        if (verb.step > 4 && verb.step < 8 && opens_tunnel()) {
          part.decision = Decision::skipped;
          part.detail = "a tunnel: each request inside has its own";
        } else if (const Step step = (this->*verb.judge)(part); !step) {
          refused(step.error(), part);
        }
      }
      out_.steps.push_back(std::move(part));
    }
    return std::move(out_);
  }

 private:
  using Part = Explanation::Part;

  void refused(const Problem& problem, Part& part) {
    if (request_.answered) {
      out_.outcome = Outcome::answered;
      out_.status = 200;
      part.detail = "OPTIONS with Max-Forwards: 0 ends here: 200, empty.";
      return;
    }
    const Row& r = row(problem.code);
    out_.outcome = Outcome::refused;
    out_.code = r.name;
    out_.status = problem.code == Code::caller_unauthenticated && request_.base_mode ? 401 : r.status;
    out_.detail = problem.detail;
    out_.choices = problem.choices;
    out_.connect_url = problem.connect_url;
    part.decision = Decision::refused;
    part.detail = problem.detail;
  }

  Step read_head(Part& part) {
    bytes_ = question_.method + ' ' + question_.url + " HTTP/1.1\r\n";
    const auto add = [&](std::string_view name, std::string_view value) {
      bytes_.append(name).append(": ").append(value).append("\r\n");
    };
    const bool has_host = std::any_of(question_.fields.begin(), question_.fields.end(),
                                      [](const auto& field) { return wire::iequals(field.first, "Host"); });
    if (!has_host) add("Host", common_.listeners.empty() ? "localhost" : common_.listeners.front().text());
    if (!question_.connection.empty()) add("X-Connection-Id", question_.connection);
    for (const auto& [name, value] : question_.fields) add(name, value);
    bytes_.append("\r\n");
    wire::Refusal why;
    if (wire::parse_request_head(bytes_, request_.head, why) == wire::Parse::done) {
      part.detail = "the head is well-formed HTTP/1.1";
      return {};
    }
    request_.head.reset();
    return std::unexpected(from_refusal(why));
  }

  Step admitted(Part& part) {
    if (Step step = admit(request_, common_, nullptr); !step) return step;
    if (opens_tunnel()) {
      part.rule = "CONNECT: host:port";
      part.detail = fmt::format("a tunnel to {}:{}", request_.target.host, request_.target.written_port);
      return {};
    }
    part.rule = request_.base_mode ? "base-URL mode: /c/<connection>/path" : "absolute form: http://host/path";
    part.detail = request_.base_mode
                      ? "the host is the provider's"
                      : fmt::format("goes to {}:{} over TLS", request_.target.host, request_.target.port);
    return {};
  }

  Step find_caller() {
    if (question_.authorization.empty()) {
      Caller caller = anybody();
      if (!request_.settings().open_callers) {
        caller.authorization.user = question_.user;
        caller.reach.every = true;
      }
      request_.caller = std::make_shared<Caller>(std::move(caller));
      return {};
    }
    auto found = source_.vault().find_authorization(question_.organization, question_.authorization);
    if (!found && trouble_of(found.error()) != Trouble::unknown)
      return std::unexpected(from_trouble(Trouble::vault, found.error().message));
    if (!found) return std::unexpected(unauthenticated(request_.base_mode));
    auto caller = caller_of(source_, std::move(*found));
    if (!caller && trouble_of(caller.error()) != Trouble::unknown)
      return std::unexpected(from_trouble(Trouble::vault, caller.error().message));
    if (!caller) return std::unexpected(unauthenticated(request_.base_mode));
    request_.caller = std::make_shared<Caller>(std::move(*caller));
    if (!usable_now(*request_.caller, now_ms_)) return std::unexpected(unauthenticated(request_.base_mode));
    return {};
  }

  Step identify(Part& part) {
    if (Step step = find_caller(); !step) return step;
    const Caller& caller = *request_.caller;
    out_.caller = caller.authorization.id;
    if (caller.reach.nowhere()) return incapable();
    if (Step step = name_connection(request_, {}); !step) return step;
    if (request_.reference.empty()) return nothing_named(part);
    part.rule = request_.base_mode ? "named by the path"
                : request_.head.fields.find(wire::FieldId::x_connection_id) != nullptr
                    ? "named by X-Connection-Id"
                    : "default_for " + request_.target.host;
    return find_connection(part);
  }

  vault::Space space() const { return {request_.caller->organization(), request_.caller->project()}; }

  // The caller's own connections for the host.
  std::vector<std::string> choices() const {
    const Caller& caller = *request_.caller;
    std::vector<std::string> ids;
    for (const auto& [alias, id] : caller.permitted) ids.push_back(id);
    return load_choices(source_, space(), caller.any_connection ? nullptr : &ids, caller.authorization.user,
                        request_.target.host);
  }

  bool leads_there() const {
    const wire::Target& target = request_.target;
    return (request_.connection && request_.connection->leads_to(target.host, target.port)) || !choices().empty();
  }

  bool opens_tunnel() const { return request_.target.form == wire::Form::authority; }

  Step nothing_named(Part& part) {
    if (opens_tunnel()) {
      part.detail = "no connection is named: each request inside may name one";
      return {};
    }
    const config::Settings& settings = request_.settings();
    const wire::Target& target = request_.target;
    const config::HostRule* rule = egress_rule(settings, target.host, target.port);
    if (rule == nullptr && !settings.egress_allow_by_default) {
      return std::unexpected(unnamed(choices()));
    }
    part.rule = text_of(rule);
    part.detail = "no connection is named: relayed without a credential";
    return {};
  }

  Step find_connection(Part& part) {
    const Caller& caller = *request_.caller;
    std::string reference = request_.reference;
    if (!caller.any_connection) {
      const auto named = caller.named(reference);
      if (!named) return unavailable(part, "this authorization's list of connections does not name it");
      reference = *named;
    }
    auto loaded = load_callable(source_, space(), caller.roams(), reference);
    if (!loaded) {
      const Trouble trouble = trouble_of(loaded.error());
      if (trouble == Trouble::broken) part.reason = loaded.error().message;
      return std::unexpected(from_trouble(trouble, loaded.error().message));
    }
    if (!caller.reaches(loaded->meta))
      return unavailable(part, "its project is none where this authorization may call");
    if (!caller.may_use(*loaded)) return unavailable(part, "it is PERSONAL, and another user's");
    request_.connection = std::make_shared<Known>(std::move(*loaded));
    const vault::Connection& meta = request_.connection->meta;
    out_.connection = meta.id;
    out_.found = true;
    part.detail =
        fmt::format("the connection {} of {} ({})", meta.alias.empty() ? meta.id : meta.alias, meta.app, meta.type);
    return {};
  }

  // Unknown, foreign, deleted and not permitted are one answer. Which of them it is, is looked up only for somebody who
  // could ask for the connection itself.
  Step unavailable(Part& part, const char* reason) {
    if (question_.reasons) {
      const auto found = load_callable(source_, space(), request_.caller->roams(), request_.reference);
      if (found) {
        out_.connection = found->meta.id;
        part.reason = reason;
      }
    }
    return std::unexpected(from_trouble(Trouble::unknown, {}));
  }

  Step authorize(Part& part) {
    if (request_.connection) {
      const vault::Connection& meta = request_.connection->meta;
      part.reason = meta.status_text.empty() ? meta.status_reason : meta.status_reason + ": " + meta.status_text;
    }
    if (Step step = judge(request_, common_); !step) return step;
    const wire::Target& target = request_.target;
    if (opens_tunnel()) return authorize_tunnel(part);
    const vault::Authorization& own = request_.caller->authorization;
    if (request_.connection) {
      const Known& known = *request_.connection;
      const std::string path = (request_.base_mode ? known.base_path : "") + std::string(target.path_only());
      if (const vault::Destination* to = known.destination(target.host, target.port, path))
        part.rule = "destination " + text_of(*to) + "; ";
      part.detail = "the connection is " + std::string(vault::to_string(known.meta.status)) + ", and goes there";
    } else {
      part.detail = "the token allows it";
    }
    part.rule +=
        fmt::format("hosts of the token: {}; methods: {}", listed_or_any(own.hosts), listed_or_any(own.methods));
    to_ = destination_of(rules_, target.host, target.port, target.ip_literal);
    return {};
  }

  // As it is stored now, without its key; null: there is none that can be read.
  std::shared_ptr<const vault::Authority> authority_now() const {
    const auto record = source_.vault().find_authority();
    const auto read =
        record ? vault::Authority::look(record->certificate) : vault::Result<std::shared_ptr<const vault::Authority>>();
    return read ? *read : nullptr;
  }

  // Of port 443 it is known what comes; of any other, the first bytes will say.
  Step authorize_tunnel(Part& part) {
    const wire::Target& target = request_.target;
    to_ = destination_of(rules_, target.host, target.written_port, target.ip_literal);
    const auto authority = authority_now();
    const std::string why_not = why_no_certificate(request_, authority.get(), common_.now_ms() / 1000);
    if (why_not.empty() && leads_there()) {
      part.rule = "intercept.hosts; hosts of the token: " + listed_or_any(request_.caller->authorization.hosts);
      part.detail = "TLS ends here, under the local CA; requests inside are judged one by one";
      return {};
    }
    const Step passes = may_pass(request_, why_not.empty() ? kNoConnectionThere : std::string_view(why_not));
    if (passes) part.rule = text_of(egress_rule(request_.settings(), target.host, target.written_port)) + "; ";
    part.rule += "hosts of the token: " + listed_or_any(request_.caller->authorization.hosts);
    if (target.written_port == 443) {
      part.detail = "TLS to the host is passed through as it is, without a credential";
      return passes;
    }
    part.detail = passes ? "requests inside are judged one by one, and TLS is passed through without a credential"
                         : "requests inside are judged one by one, and TLS is refused with an alert";
    return {};
  }

  Step obtain(Part& part) {
    if (!request_.connection) {
      part.decision = Decision::skipped;
      part.detail = "no credential goes out";
      return {};
    }
    Known& known = *request_.connection;
    auto made = placeholder_injection(known);
    if (!made) {
      part.reason = made.error().message;
      return std::unexpected(from_trouble(Trouble::broken, made.error().message));
    }
    known.injection = std::move(*made);
    part.detail = "the stored credential, which was not opened for this";
    if (!known.fetched) return {};
    return judge_token(part);
  }

  Step judge_token(Part& part) {
    const vault::Connection& meta = request_.connection->meta;
    Explanation::Token& token = out_.token.emplace(explain_token(source_, meta, now_ms_));
    part.rule = token.state;
    part.detail =
        token.remaining_ms ? fmt::format("{} s left: {}", *token.remaining_ms / 1'000, token.next) : token.next;
    if (token.state != "ENDED") return {};
    const auto renewed = foreseen(source_, meta);
    if (!renewed) return {};
    part.reason = renewed->text.empty() ? renewed->reason : renewed->reason + ": " + renewed->text;
    token.next = "not renewed";
    return refuse_renewed(request_, common_, *renewed);
  }

  Step collect(Part& part) {
    const std::uint8_t asked = request_.connection ? asked_of_body(request_) : 0;
    if (asked == 0) {
      part.decision = Decision::skipped;
      part.detail = "the body is streamed, or held only to be sent again";
      return {};
    }
    if (Step step = may_collect(request_); !step) return step;
    request_.collected = true;
    // An empty object stands for the body, because type and coding are judged where there is one. As a form it will do.
    const wire::RequestHead& head = request_.head;
    if (head.body == wire::Body::chunked || head.content_length != 0) request_.collected_body = "{}";
    part.rule = fmt::format("limits.body_buffer: {} bytes", most_collected(request_.settings()));
    part.detail = (asked & inject::needs_body) != 0
                      ? "the credential goes into the body, which is collected; its bytes are not judged here"
                      : "the body is signed, and so collected; its bytes are not judged here";
    return {};
  }

  Step injected(Part& part) {
    if (Step step = inject(request_, common_, to_.authority); !step) return step;
    out_.request = explain_head(request_, to_);
    const auto put = std::count_if(out_.request->fields.begin(), out_.request->fields.end(),
                                   [](const auto& field) { return std::string_view(field.from) == "connection"; });
    if (request_.connection) part.rule = request_.connection->injection->describe();
    part.detail = fmt::format("{} of the caller's taken out, {} put in", out_.request->removed.size(), put);
    if (request_.caller->budgets.empty()) return {};
    return within_budget(source_, request_.caller->authorization, is_write(request_.head.method));
  }

  Step forward(Part& part) {
    if (!to_.fixed && !to_.ip_literal) {
      part.detail = to_.host + " is not resolved here: every address of it is judged when the call is made";
      return {};
    }
    const auto address = net::known_address(to_);
    if (!address) return std::unexpected(from_fault(net::Fault::dns_failed, to_.host, {}));
    const std::string why = net::why_prohibited(to_, *address, common_.addresses);
    if (!why.empty()) return std::unexpected(from_fault(net::Fault::address_prohibited, to_.host, why));
    if (to_.fixed) part.rule = "upstream.hosts: resolve";
    part.detail = "the address may be dialled; nothing was";
    return {};
  }

  const Rules& rules_;
  const Common& common_;
  const Question& question_;
  const Source& source_;
  const std::int64_t now_ms_;
  std::string bytes_;  // of the head; the request's views point into it
  Request request_;
  net::Destination to_;
  Explanation out_;
};

}  // namespace

Explanation explain(const Rules& rules, const Common& common, const Question& question) {
  return Explaining(rules, common, question).run();
}

}  // namespace postern::serve
