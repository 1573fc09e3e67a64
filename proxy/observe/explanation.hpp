#pragma once
// What would become of a request, told without doing it: a question, and the answer step by step (proxy/README.md has
// the steps). Plain data, no secret in any of it.
//
// The one who answers (serve/explain) says everything; the one who asks for somebody (admin) leaves out what that
// somebody may not know: see `reason` and Explanation::connection.
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace postern::observe {

struct Question {
  // Whose request: an authorization of that organization ("": a system one). Without an id: somebody without a token,
  // which is anybody where callers.mode is open, and otherwise an administrator who may use everything as `user`.
  std::string organization, authorization, user;
  std::string connection;  // as X-Connection-Id would name it; empty: nothing does
  std::string method = "GET";
  std::string url;  // as in the request line: http://host/path, or /c/<connection>/path
  std::vector<std::pair<std::string, std::string>> fields;  // of the head; without control characters
  bool reasons = false;  // also look for what only those who see the connection may know
};

enum class Decision : std::uint8_t { allowed, refused, skipped };
enum class Outcome : std::uint8_t { forwarded, refused, answered };

struct Explanation {
  struct Part {
    int step = 0;  // of the story
    const char* name = "";
    Decision decision = Decision::skipped;
    std::string rule;    // what matched; for those who may use the connection or see it
    std::string detail;  // for everybody: of a refusal the text of the proxy's own answer
    std::string reason;  // for those who see the connection alone
  };
  // The token that a connection's grant has fetched.
  struct Token {
    std::string state;                                     // FRESH, DUE, FORCED, ENDED, UNKNOWN
    std::optional<std::int64_t> expires_ms, remaining_ms;  // by the wall clock; absent: nobody said
    std::string next;                                      // what the call would do about it
  };
  struct Field {
    std::string name, value;
    const char* from = "";  // caller, proxy, connection
  };
  struct Removed {
    const char* place = "";  // header, query
    std::string name, reason;
  };
  struct Head {
    std::string method, target, to;
    std::vector<Field> fields;
    std::vector<Removed> removed;
  };

  Outcome outcome = Outcome::refused;
  std::string code;          // of the refusal; empty: none
  std::uint16_t status = 0;  // of our answer; 0: the upstream's
  std::string detail;
  std::vector<std::string> choices;  // connections that could be named
  std::string connect_url;
  std::string caller;      // tok_…; empty: none
  std::string connection;  // conn_… that was found, or that `reason` is about; empty: none
  bool found = false;      // the caller may use it
  std::vector<Part> steps;
  std::optional<Token> token;
  std::optional<Head> request;
};

}  // namespace postern::observe
