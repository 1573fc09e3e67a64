// ca create|show|export|rotate|delete|trust: the local CA that intercepted hosts show themselves under.
#include <fmt/format.h>

#include <memory>

#include "proxy/cli/ca_bundle.hpp"
#include "proxy/cli/command.hpp"

namespace postern::cli {
namespace {

// What each system and program wants to hear. The file is the one that `ca export --out postern-ca.pem` writes; the
// bundle, of `--bundle`, is for what replaces a program's roots by the file it is given.
constexpr const char* kTrust = R"(To trust it, first: postern ca export --out postern-ca.pem

  Debian, Ubuntu   cp postern-ca.pem /usr/local/share/ca-certificates/postern.crt && update-ca-certificates
  RHEL, Fedora     cp postern-ca.pem /etc/pki/ca-trust/source/anchors/postern.pem && update-ca-trust
  Alpine           cp postern-ca.pem /usr/local/share/ca-certificates/postern.crt && update-ca-certificates
  macOS            security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain postern-ca.pem
  Windows          certutil -addstore Root postern-ca.pem
  Java             keytool -importcert -noprompt -alias postern -file postern-ca.pem -cacerts -storepass changeit
                   (or into a keystore of its own, for -Djavax.net.ssl.trustStore=FILE)
  Node             NODE_EXTRA_CA_CERTS=postern-ca.pem

Or for one program, with its own roots and this one: postern ca export --bundle --out postern-bundle.pem

  OpenSSL, Go      SSL_CERT_FILE=postern-bundle.pem
  Python           REQUESTS_CA_BUNDLE=postern-bundle.pem SSL_CERT_FILE=postern-bundle.pem
  git              git config --global http.sslCAInfo /path/to/postern-bundle.pem
  curl             CURL_CA_BUNDLE=postern-bundle.pem
)";

struct CaFlags {
  std::vector<std::string> names;
  std::string out;
  bool bundle = false, previous = false;
};

// `id`, which -q prints, is the fingerprint.
void print_ca(const json::object& ca, Session& session) {
  if (session.globals.quiet) return session.print(text_field(ca, "fingerprint") + "\n");
  if (!session.talks()) return session.print_object(ca);
  json::object shown;
  for (const char* key : {"subject", "fingerprint", "names", "notBefore", "notAfter"})
    if (const json::value* value = ca.if_contains(key)) shown[key] = *value;
  if (const json::value* previous = ca.if_contains("previous"); previous != nullptr && previous->is_object())
    shown["previous"] = fmt::format("{} (until {})", text_field(previous->get_object(), "fingerprint"),
                                    text_field(previous->get_object(), "notAfter"));
  session.print_object(shown);
}

Result<json::object> the_ca(Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto ca = local_ca(*api);
  if (!ca) return std::unexpected(ca.error());
  if (!*ca) return fail(Exit::not_found, "ca: there is no local CA; make one with 'postern ca create'");
  return std::move(**ca);
}

json::object body_of(const CaFlags& flags) {
  json::object body;
  if (!flags.names.empty()) body["names"] = json::array(flags.names.begin(), flags.names.end());
  return body;
}

Result<int> create(const CaFlags& flags, Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto ca = api->create("ca", body_of(flags));
  if (!ca) return std::unexpected(ca.error());
  print_ca(*ca, session);
  if (session.talks())
    session.print(
        "\nNext: write hosts into intercept.hosts, postern reload, and let callers trust it: postern ca trust\n");
  return Exit::ok;
}

Result<int> rotate(const CaFlags& flags, Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto ca = api->create("ca/rotate", body_of(flags));
  if (!ca) return std::unexpected(ca.error());
  print_ca(*ca, session);
  if (session.talks())
    session.print(
        "\nThe new one is in use: who trusts the old one alone is refused from now on. Next: postern ca trust\n");
  return Exit::ok;
}

Result<int> show(Session& session) {
  auto ca = the_ca(session);
  if (!ca) return std::unexpected(ca.error());
  print_ca(*ca, session);
  if (session.talks()) session.print(std::string("\n") + kTrust);
  return Exit::ok;
}

Result<int> export_ca(const CaFlags& flags, Session& session) {
  auto ca = the_ca(session);
  if (!ca) return std::unexpected(ca.error());
  std::string text = text_field(*ca, "certificate");
  if (flags.bundle) {
    const std::string roots = system_roots(session.around.environment, flags.out);
    if (roots.empty()) session.note("ca export: the system's roots were not found: the bundle is the local CA alone");
    text = bundle_text(roots, *ca, session.around.now_ms());
  } else if (flags.previous) {
    text += previous_certificate(*ca, session.around.now_ms());
  }
  const std::size_t count = certificates_in(text).size();
  if (!flags.out.empty()) {
    if (auto done = write_public(flags.out, text, "ca export"); !done) return std::unexpected(done.error());
  }
  if (session.globals.format != Format::table) {
    json::object out{{"fingerprint", text_field(*ca, "fingerprint")}, {"certificates", count}};
    out[flags.out.empty() ? "pem" : "file"] = flags.out.empty() ? text : flags.out;
    session.print_object(out);
  } else if (flags.out.empty()) {
    session.print(text);
  } else {
    session.print(session.globals.quiet
                      ? flags.out + "\n"
                      : fmt::format("{}  {} certificate{}\n", printable(flags.out), count, count == 1 ? "" : "s"));
  }
  return Exit::ok;
}

Result<int> erase(Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  if (auto done = api->erase("ca"); !done) return std::unexpected(done.error());
  if (session.talks()) session.print("deleted; nothing is intercepted any more. Take it out of what trusts it\n");
  return Exit::ok;
}

void add_names(CLI::App& verb, CaFlags& flags) {
  verb.add_option("--names", flags.names,
                  "confine it to these: hosts, *.suffix, addresses; default: intercept.hosts and what connections use")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("A,B");
}

}  // namespace

void add_ca_verbs(CLI::App& root, Command& command) {
  CLI::App* noun = root.add_subcommand("ca", "the local CA of intercepted hosts (intercept.hosts)");
  noun->require_subcommand(1);
  noun->footer("Example:\n  postern ca create && postern ca export --out postern-ca.pem");
  auto flags = std::make_shared<CaFlags>();
  CLI::App* verb = add_verb(*noun, "create", "make it; its key is sealed in the vault and never shown",
                            "postern ca create --names api.github.com,*.slack.com");
  add_names(*verb, *flags);
  verb->callback([&command, flags] { command.action = [flags](Session& session) { return create(*flags, session); }; });
  add_verb(*noun, "show", "whose it is, what it is confined to, and how to trust it; -q prints the fingerprint",
           "postern ca show")
      ->callback([&command] { command.action = show; });

  auto exported = std::make_shared<CaFlags>();
  verb = add_verb(*noun, "export", "the certificate, as PEM", "postern ca export --out postern-ca.pem");
  verb->footer(verb->get_footer() + "\n\n" + kTrust);
  verb->add_option("--out", exported->out, "into this file (mode 0644) instead of stdout")->type_name("FILE");
  verb->add_flag(
      "--bundle", exported->bundle,
      "behind the roots that this shell has (SSL_CERT_FILE, or the system's), for what replaces a program's");
  verb->add_flag("--previous", exported->previous,
                 "with the one before the last rotation, for a transition; a bundle always holds it");
  verb->callback([&command, exported] {
    command.action = [exported](Session& session) { return export_ca(*exported, session); };
  });

  auto rotated = std::make_shared<CaFlags>();
  verb = add_verb(*noun, "rotate", "put another in its place, with a new key; callers have to trust that one",
                  "postern ca rotate");
  add_names(*verb, *rotated);
  verb->callback(
      [&command, rotated] { command.action = [rotated](Session& session) { return rotate(*rotated, session); }; });
  add_verb(*noun, "delete", "erase it and its key: nothing is intercepted any more", "postern ca delete")
      ->callback([&command] { command.action = erase; });
  add_verb(*noun, "trust", "how systems and programs are told to trust it", "postern ca trust")->callback([&command] {
    command.action = [](Session& session) -> Result<int> {
      session.print(kTrust);
      return Exit::ok;
    };
  });
}

}  // namespace postern::cli
