#include <algorithm>

#include "config/hosts.hpp"

namespace postern::config {
namespace {

// Not the whole public suffix list, which changes weekly: the registries of many labels and the hosting names that a
// catalog entry could plausibly be written over by mistake. Any single label is one as well.
// clang-format off
constexpr std::string_view kPublicSuffixes[] = {
    "ac.in", "ac.jp", "ac.nz", "ac.uk", "ac.za", "amplifyapp.com", "appspot.com",
    "asn.au", "awsapprunner.com", "azure-api.net", "azureedge.net", "azurefd.net", "azurestaticapps.net",
    "azurewebsites.net", "blob.core.windows.net", "blogspot.com", "cloudapp.azure.com", "cloudapp.net",
    "cloudflare.net", "cloudfront.net", "cloudfunctions.net", "co.at", "co.id", "co.il", "co.in", "co.jp", "co.ke",
    "co.kr", "co.nz", "co.th", "co.uk", "co.za", "com.ar", "com.au", "com.bd", "com.br", "com.cn", "com.co", "com.eg",
    "com.es", "com.hk", "com.mx", "com.my", "com.ng", "com.pe", "com.ph", "com.pk", "com.pl", "com.pt", "com.sa",
    "com.sg", "com.tr", "com.tw", "com.ua", "com.vn", "core.windows.net", "deno.dev", "duckdns.org", "dyndns.org",
    "edu.au", "elasticbeanstalk.com", "elb.amazonaws.com", "execute-api.us-east-1.amazonaws.com", "firebaseapp.com",
    "fly.dev", "github.dev", "github.io", "githubusercontent.com", "gitlab.io", "glitch.me", "go.jp", "gov.au",
    "gov.in", "gov.uk", "gr.jp", "herokuapp.com", "id.au", "lambda-url.us-east-1.on.aws", "ltd.uk", "me.uk", "ne.jp",
    "net.au", "net.br", "net.cn", "net.in", "net.nz", "net.uk", "netlify.app", "ngrok-free.app", "ngrok.app",
    "ngrok.io", "nhs.uk", "no-ip.org", "onrender.com", "or.at", "or.jp", "or.kr", "org.au", "org.br",
    "org.cn", "org.in", "org.nz", "org.uk", "pages.dev", "plc.uk", "r2.dev", "railway.app", "repl.co", "replit.app",
    "replit.dev", "run.app", "s3.amazonaws.com", "sch.uk", "surge.sh", "trafficmanager.net", "trycloudflare.com",
    "up.railway.app", "vercel.app", "vercel.dev", "web.app", "web.core.windows.net", "windows.net", "workers.dev"};
// clang-format on

}  // namespace

bool is_public_suffix(std::string_view name) {
  return name.find('.') == name.npos ||
         std::find(std::begin(kPublicSuffixes), std::end(kPublicSuffixes), name) != std::end(kPublicSuffixes);
}

}  // namespace postern::config
