#pragma once
// Where kept answers lie, and what a batch needs to keep one beside what it was about. Any thread.
#include <string>
#include <string_view>
#include <vector>

#include "vault/records.hpp"

namespace postern::vault {

inline constexpr std::string_view kAnswerOrder = "answer_time";

inline Path answer_path(std::string_view organization, std::string_view key) {
  return {"answer", organization, {}, key};
}
inline Path order_path(std::string_view organization, std::string_view last) {
  return {kAnswerOrder, organization, {}, last};
}

// One that is over makes room for another. Errors: exists (one is kept under this key), invalid (a key or a body that
// is no digest), io.
Result<void> stage_answer(Batch& batch, const Records& records, const KeptAnswer& answer);
// The store keys of all entries that lead to one, for whoever verifies them.
std::vector<std::string> answer_index_keys(const Records& records, const KeptAnswer& answer);

}  // namespace postern::vault
