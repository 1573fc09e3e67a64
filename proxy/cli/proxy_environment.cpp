#include "proxy/cli/proxy_environment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace postern::cli {
namespace {

constexpr std::array kProxyNames{"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",
                                 "all_proxy",  "ALL_PROXY",  "no_proxy",    "NO_PROXY"};

// Each names a PEM file of all roots, or (Node) of more roots. Source: the documentation of each program.
constexpr std::array kBundleNames{
    "SSL_CERT_FILE",                     // OpenSSL's own, Go, Ruby, httpx
    "CURL_CA_BUNDLE",                    // curl, and requests as a second choice
    "REQUESTS_CA_BUNDLE",                // Python requests
    "NODE_EXTRA_CA_CERTS",               // Node
    "GIT_SSL_CAINFO",                    // git
    "AWS_CA_BUNDLE",                     // botocore, AWS CLI
    "DENO_CERT",                         // Deno
    "PIP_CERT",                          // pip
    "npm_config_cafile",                 // npm
    "CARGO_HTTP_CAINFO",                 // cargo
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",  // gRPC
    "NIX_SSL_CERT_FILE",                 // nix, and what it builds
};

// What leads npm or a JVM past the variables above. Its npm_config_ is read in any case.
constexpr std::array kAroundNames{"npm_config_proxy", "npm_config_https_proxy", "npm_config_http_proxy",
                                  "npm_config_noproxy"};
constexpr std::array kJavaNames{"_JAVA_OPTIONS", "JDK_JAVA_OPTIONS"};

bool leads_around(const std::string& name, const std::string& value) {
  std::string lower = name;
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  if (std::ranges::find(kAroundNames, lower) != kAroundNames.end()) return true;
  const bool java = std::ranges::find(kJavaNames, name) != kJavaNames.end();
  return java && (value.find("roxyHost") != value.npos || value.find("trustStore") != value.npos ||
                  value.find("useSystemProxies") != value.npos);
}

struct HostPort {
  std::string host, port;
};

HostPort address_of(const std::string& url) {
  const auto at = url.rfind('@') + 1, colon = url.rfind(':');
  std::string host = url.substr(at, colon - at);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  return {std::move(host), url.substr(colon + 1)};
}

// The JVM splits at spaces, and takes either kind of quotes as they are meant.
std::string java_word(const std::string& text) {
  return text.find_first_of(" \t") == std::string::npos ? text : "\"" + text + "\"";
}

std::string java_options(const Way& way, const std::string& before) {
  const auto [host, port] = address_of(way.url);
  std::string out = before.empty() ? "" : before + " ";
  out += fmt::format("-Dhttp.proxyHost={} -Dhttp.proxyPort={} -Dhttp.nonProxyHosts=localhost|127.*|[::1]", host, port);
  // Without the last, Java sends no Basic credentials to a proxy that is asked for a tunnel.
  if (way.tunnels)
    out += fmt::format(" -Dhttps.proxyHost={} -Dhttps.proxyPort={} -Djdk.http.auth.tunneling.disabledSchemes=", host,
                       port);
  if (!way.java_store.empty())
    out += " -Djavax.net.ssl.trustStoreType=JKS " + java_word("-Djavax.net.ssl.trustStore=" + way.java_store);
  return out;
}

std::string quoted_for_shell(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// JSON's escapes are YAML's, inside double quotes.
std::string quoted_for_yaml(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out += std::string{'\\', c};
    else if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out + "\"";
}

}  // namespace

std::string proxy_url(const std::string& connection, const Hidden& token, const std::string& address) {
  return fmt::format("http://{}:{}@{}", connection.empty() ? "-" : encode(connection), encode(token.expose()), address);
}

Variables proxy_variables(const Way& way, const std::string& java) {
  Variables out;
  for (const std::string name : kProxyNames) {
    const bool loopback = name == "no_proxy" || name == "NO_PROXY";
    if (loopback)
      out.emplace_back(name, "localhost,127.0.0.1,::1,[::1]");
    else if (way.tunnels || name == "http_proxy" || name == "HTTP_PROXY")
      out.emplace_back(name, way.url);
  }
  out.emplace_back("NODE_USE_ENV_PROXY", "1");
  out.emplace_back("JAVA_TOOL_OPTIONS", java_options(way, java));
  if (!way.bundle.empty())
    for (const char* name : kBundleNames) out.emplace_back(name, way.bundle);
  return out;
}

Environment through_proxy(const Environment& environment, const Way& way, std::vector<std::string>& removed) {
  Environment out = environment;
  std::erase_if(out, [](const auto& variable) { return variable.first.starts_with("POSTERN_"); });
  for (const std::string name : kProxyNames)
    if (out.erase(name) > 0 && name != "http_proxy" && name != "HTTP_PROXY") removed.push_back(name);
  for (const auto& [name, value] : environment)
    if (leads_around(name, value) && out.erase(name) > 0) removed.push_back(name);
  const auto java = environment.find("JAVA_TOOL_OPTIONS");
  for (auto& [name, value] : proxy_variables(way, java == environment.end() ? "" : java->second)) out[name] = value;
  return out;
}

std::string for_shell(const Variables& variables) {
  std::string out;
  for (const std::string name : kProxyNames)
    if (std::ranges::none_of(variables, [&](const auto& one) { return one.first == name; }))
      out += fmt::format("unset {}\n", name);
  for (const auto& [name, value] : variables) out += fmt::format("export {}={}\n", name, quoted_for_shell(value));
  return out;
}

std::string for_docker(const Variables& variables) {
  std::string out;
  for (const auto& [name, value] : variables) out += fmt::format("{}={}\n", name, value);
  return out;
}

std::string for_kubernetes(const Variables& variables) {
  std::string out;
  for (const auto& [name, value] : variables)
    out += fmt::format("- name: {}\n  value: {}\n", name, quoted_for_yaml(value));
  return out;
}

}  // namespace postern::cli
