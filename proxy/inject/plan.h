#pragma once
// What an injection changes, as operations of JSON Patch (RFC 6902). The command line makes edits of text of them, the
// webhook an answer.

#include <string>
#include <vector>

#include "inject/settings.h"
#include "inject/tree.h"

namespace outrider::inject {

struct Operation {
  enum class Kind : uint8_t { Add, Replace, Remove };
  Kind kind = Kind::Add;
  std::string path;  // a JSON pointer: /spec/template/metadata/annotations/outrider.dev~1injected
  Node value;        // of Remove: null
};

struct Plan {
  enum class Verdict : uint8_t {
    Change,   // by `operations`
    Already,  // it has been injected before; uninject: nothing of ours is in it
    Skipped,  // it says that it does not want to be: `reason`
    Refused,  // it cannot be: `reason`, which says what to do
    Foreign,  // no workload: it passes as it is
  };
  Verdict verdict = Verdict::Foreign;
  std::vector<Operation> operations;  // in order: each refers to what those before have made
  std::vector<std::string> warnings;  // what a person should know, whatever the verdict
  std::string reason;
};

// `object`: a Pod, or a workload with a template of pods. Of a List its items are asked for one by one (items_of).
Plan plan_injection(const Node& object, const Settings& settings);
// By the names of what was injected, whoever has edited the rest.
Plan plan_removal(const Node& object);

// "Deployment shop/web", for reports.
std::string name_of(const Node& object);
// Paths of the objects in a List ("/items/0"); of anything else the object itself ("").
std::vector<std::string> items_of(const Node& root);

// Applies them in order; `error` says which could not be.
bool apply(const std::vector<Operation>& operations, Node& object, std::string& error);
const Node* resolve(const Node& root, std::string_view pointer);  // null: there is nothing

}  // namespace outrider::inject
