#include "inject/stream.h"

#include <algorithm>

#include "inject/edits.h"
#include "inject/pointer.h"
#include "inject/restore.h"
#include "inject/scan.h"
#include "inject/workload.h"

namespace outrider::inject {

namespace {

constexpr std::string_view kMark = "\xEF\xBB\xBF";  // of UTF-8, as editors of Windows write it

bool is_marker(std::string_view text, size_t at, std::string_view marker) {
  if (text.substr(at, 3) != marker) return false;
  return at + 3 >= text.size() || std::string_view(" \t\r\n").find(text[at + 3]) != kNowhere;
}

// Behind the brace that closes the one at `at`; nowhere: nothing does.
size_t object_end(std::string_view text, size_t at) {
  size_t depth = 0;
  char last = 0;  // that was no space
  for (; at < text.size(); ++at) {
    const char c = text[at];
    const bool apostrophe = c == '\'' && std::string_view("{[,:").find(last) != kNowhere;
    if (c == '"' || apostrophe) {
      if ((at = text_end(text, at)) == kNowhere) return kNowhere;
      --at;
    }
    depth += c == '{';
    if (c == '}' && --depth == 0) return at + 1;
    if (std::string_view(" \t\r\n").find(c) == kNowhere) last = c;
  }
  return kNowhere;
}

// JSON objects one after the other, with nothing between them.
void split_json(std::string_view text, std::vector<std::string_view>& out) {
  while (true) {
    const size_t start = text.find_first_not_of(" \t\r\n");
    if (start == text.npos || text[start] != '{') break;
    const size_t end = object_end(text, start);
    const size_t next = end == kNowhere ? kNowhere : text.find_first_not_of(" \t\r\n", end);
    if (next == kNowhere || text[next] != '{') break;
    const size_t cut = std::min(next, next_line(text, end));
    out.push_back(text.substr(0, cut));
    text.remove_prefix(cut);
  }
  out.push_back(text);
}

// Where its value ends, and of lines also their end: what an object's hash is of.
size_t whole_end(std::string_view text, const Node& object) {
  return object.place.flow ? object.place.end : next_line(text, object.place.end);
}

std::string annotations_of(const Workload& workload) { return workload.pod + "/metadata/annotations"; }

Operation note(const Workload& workload, std::string text) {
  return {Operation::Kind::Add, annotations_of(workload) + "/" + pointer_part(kRestore), Node::text(std::move(text))};
}

std::vector<Operation> below(const std::string& path, std::vector<Operation> operations) {
  for (Operation& each : operations) each.path = path + each.path;
  return operations;
}

// One document, on its way through.
class Document {
 public:
  explicit Document(std::string_view text, size_t first_line) : text_(text), first_line_(first_line) {}

  // `plan` says what becomes of an object; `change` makes edits of that.
  template <class PlanOf, class Change>
  std::string run(std::vector<Report>& reports, std::string& error, PlanOf&& plan_of, Change&& change) {
    Parsed parsed = read_yaml(text_);
    if (!parsed.error.empty()) return unreadable(parsed.error, error), std::string();
    if (parsed.root.is_null()) return std::string(text_);
    root_ = std::move(parsed.root);
    style_ = style_of(text_, root_);
    expected_ = root_;
    for (const std::string& path : items_of(root_)) {
      const Node* const object = resolve(root_, path);
      Report report{name_of(*object), first_line_ + object->place.line - 1, plan_of(*object), *object, true};
      if (report.plan.verdict == Plan::Verdict::Change) change(*object, path, report);
      reports.push_back(std::move(report));
    }
    if (edits_.empty()) return std::string(text_);
    std::string out = edited(text_, edits_);
    // What was written has to be what was planned; what was restored has shown by its hash that it is.
    const Parsed again = read_yaml(out);
    if (again.error.empty() && (restored_ || again.root == expected_)) return out;
    error = "line " + std::to_string(first_line_) + ": the text that was made is not what was planned" +
            (again.error.empty() ? "" : " (" + again.error + ")") + "; nothing is written, please report it with this manifest";
    return {};
  }

  void inject(const Node& object, const std::string& path, Report& report) {
    std::string wrong;
    const auto workload = workload_of(object, wrong);
    report.plan.operations.push_back(note(*workload, std::string(kToCome)));
    Node after = object;
    if (!apply(report.plan.operations, after, wrong)) return refuse(report, wrong);
    Edits edits = edits_between(text_, object, after, style_);
    if (!edits.error.empty()) return refuse(report, edits.error);
    const std::string text = note_of(text_, object.place.begin, whole_end(text_, object), edits.list);
    report.plan.operations.back().value = Node::text(text);
    for (Edit& edit : edits.list) fill_in(edit.text, render_scalar(Node::text(text), style_, true));
    take(path, report.plan.operations, std::move(edits.list));
  }

  void uninject(const Node& object, const std::string& path, Report& report) {
    std::string wrong;
    const auto workload = workload_of(object, wrong);
    if (const Node* kept = workload->annotation(kRestore)) {
      if (auto edits = undo(text_, object.place.begin, kept->text(), {kept->place.begin, kept->place.end})) {
        std::move(edits->begin(), edits->end(), std::back_inserter(edits_));
        restored_ = true;
        return;
      }
    }
    report.exact = false;
    Node after = object;
    if (!apply(report.plan.operations, after, wrong)) return refuse(report, wrong);
    Edits edits = edits_between(text_, object, after, style_);
    if (!edits.error.empty()) return refuse(report, edits.error);
    take(path, report.plan.operations, std::move(edits.list));
  }

 private:
  static void refuse(Report& report, std::string reason) {
    report.plan.verdict = Plan::Verdict::Refused;
    report.plan.reason = std::move(reason);
    report.plan.operations.clear();
  }

  void take(const std::string& path, const std::vector<Operation>& operations, std::vector<Edit> edits) {
    std::string wrong;
    apply(below(path, operations), expected_, wrong);
    std::move(edits.begin(), edits.end(), std::back_inserter(edits_));
  }

  void unreadable(const std::string& why, std::string& error) {
    error = "document at line " + std::to_string(first_line_) + ", its " + why;
    if (text_.find("{{") != text_.npos) error += " (an unrendered template? `helm template` renders it)";
  }

  std::string_view text_;
  size_t first_line_;
  Node root_, expected_;
  Style style_;
  std::vector<Edit> edits_;
  bool restored_ = false;
};

template <class Each>
Transformed over_documents(std::string_view text, Each&& each) {
  Transformed out;
  size_t line = 1;
  if (text.starts_with(kMark)) {
    out.text = kMark;
    text.remove_prefix(kMark.size());
  }
  for (const std::string_view document : documents_of(text)) {
    out.text += each(document, line, out);
    if (!out.error.empty()) return out.text.clear(), std::move(out);
    line += size_t(std::count(document.begin(), document.end(), '\n'));
  }
  return out;
}

}  // namespace

std::vector<std::string_view> documents_of(std::string_view text) {
  std::vector<std::string_view> out;
  size_t start = 0;
  bool ended = false;  // by "...": what follows is of the next one
  for (size_t at = 0; at < text.size(); at = next_line(text, at)) {
    if ((is_marker(text, at, "---") || ended) && at > start) {
      split_json(text.substr(start, at - start), out);
      start = at;
    }
    ended = is_marker(text, at, "...");
  }
  if (start < text.size() || out.empty()) split_json(text.substr(start), out);
  return out;
}

Transformed inject_stream(std::string_view text, const Settings& settings) {
  return over_documents(text, [&](std::string_view piece, size_t line, Transformed& out) {
    Document document(piece, line);
    return document.run(
        out.reports, out.error, [&](const Node& object) { return plan_injection(object, settings); },
        [&](const Node& object, const std::string& path, Report& report) { document.inject(object, path, report); });
  });
}

Transformed uninject_stream(std::string_view text) {
  return over_documents(text, [&](std::string_view piece, size_t line, Transformed& out) {
    Document document(piece, line);
    return document.run(
        out.reports, out.error, [&](const Node& object) { return plan_removal(object); },
        [&](const Node& object, const std::string& path, Report& report) { document.uninject(object, path, report); });
  });
}

}  // namespace outrider::inject
