#pragma once
// What would become of a request, step by step, by the data path's own decisions (decide.hpp). Nothing is opened,
// renewed, dialled, looked up in DNS, counted or changed.
//
// Not judged, because they hold for a moment only: overload and limits, whether the token endpoint and the service
// answer, the body's bytes. Blocks on the vault; any thread. Ownership: borrows all three until it returns.
#include "proxy/observe/explanation.hpp"
#include "proxy/serve/service.hpp"

namespace postern::serve {

observe::Explanation explain(const Rules& rules, const Common& common, const observe::Question& question);

}  // namespace postern::serve
