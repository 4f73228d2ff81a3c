// The statuses that one check got, path by path, and what they mean together. Pure. Owner: a Check.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "health/outcome.h"

namespace vipward {

class PathAnswers {
 public:
  // `has_credentials`: the check presents a client certificate or a token.
  PathAnswers(std::vector<int> expected_status, bool has_credentials)
      : expected_status_(std::move(expected_status)), has_credentials_(has_credentials) {}

  void add(std::string_view path, int status);
  bool empty() const { return answers_.empty(); }

  // "GET /healthz: 200, GET /readyz: 500", and what to configure after a 401 or 403.
  std::string detail() const;
  // Sets result, detail, complaint and readyz_alone. The last needs another path that is as expected: with
  // /readyz as the only path nothing says that the rest is well.
  void judge(CheckOutcome& outcome) const;

 private:
  struct Answer {
    std::string path;
    int status = 0;
  };
  bool is_expected(const Answer& answer) const;
  // The first unexpected 401, else 403, else 0.
  int refused_status() const;

  std::vector<int> expected_status_;
  bool has_credentials_;
  std::vector<Answer> answers_;
};

}  // namespace vipward
