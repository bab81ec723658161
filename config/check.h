#pragma once
// What one key cannot know: ports taken twice, rules that never match, a service nobody can reach.

#include "config/parse.h"

namespace outrider::config {

void check_rules(Reading& reading, const Document& document);
void check(Reading& reading, const Document& document, const Layers& layers);

}  // namespace outrider::config
