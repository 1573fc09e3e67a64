#pragma once
// What is left of the budgets that a call would be debited to. Thread safety: any thread; blocks on the vault.
#include "proxy/serve/decide.hpp"

namespace postern::serve {

// Refused as debit() would refuse it: the budget of `authorization`, or of one that it was made with, is used up.
// Nothing is taken. What other calls take meanwhile is not known.
Step within_budget(const Source& source, const vault::Authorization& authorization, bool writes);

}  // namespace postern::serve
