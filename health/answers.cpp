#include "health/answers.h"

#include <algorithm>

namespace vipward {
namespace {

bool is_readyz(std::string_view path) {
  return path.substr(0, path.find('?')) == "/readyz";
}

std::string_view advice(int status, bool has_credentials) {
  if (status == 403) {
    return ": the apiserver forbids it: bind the check's user to the ClusterRole system:public-info-viewer";
  }
  if (status != 401) return "";
  return has_credentials
             ? ": the apiserver does not accept the credentials of health_check.tls.certificate_file or "
               "bearer_token_file"
             : ": the apiserver wants credentials: set health_check.tls.certificate_file and key_file, or "
               "bearer_token_file";
}

}  // namespace

void PathAnswers::add(std::string_view path, int status) {
  answers_.push_back({std::string(path), status});
}

std::string PathAnswers::detail() const {
  std::string text;
  for (const Answer& answer : answers_) {
    if (!text.empty()) text += ", ";
    text += "GET " + answer.path + ": " + std::to_string(answer.status);
  }
  return text.append(advice(refused_status(), has_credentials_));
}

void PathAnswers::judge(CheckOutcome& outcome) const {
  const auto expected = std::count_if(answers_.begin(), answers_.end(),
                                      [this](const Answer& answer) { return is_expected(answer); });
  const bool all = expected == static_cast<std::ptrdiff_t>(answers_.size());
  outcome.result = all ? CheckResult::Ready : CheckResult::NotReady;
  outcome.detail = detail();
  outcome.complaint = refused_status() != 0 ? CheckComplaint::Credentials : CheckComplaint::None;
  outcome.readyz_alone =
      !all && expected > 0 && std::all_of(answers_.begin(), answers_.end(), [this](const Answer& answer) {
        return is_expected(answer) || is_readyz(answer.path);
      });
}

bool PathAnswers::is_expected(const Answer& answer) const {
  return std::find(expected_status_.begin(), expected_status_.end(), answer.status) != expected_status_.end();
}

int PathAnswers::refused_status() const {
  for (const int status : {401, 403}) {
    for (const Answer& answer : answers_) {
      if (answer.status == status && !is_expected(answer)) return status;
    }
  }
  return 0;
}

}  // namespace vipward
