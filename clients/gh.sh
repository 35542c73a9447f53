#!/usr/bin/env bash
# `gh api` against a server, with full URLs over plain HTTP: both API versions, heads, pages,
# reports, errors.
#
# From the environment: BASE, TOKEN, ENT, ORG, USER_LOGIN, YEAR, MONTH, and GH_CONFIG_DIR, an empty
# folder: nobody's own settings take part. gh gives a host that is not github.com the token of
# GH_ENTERPRISE_TOKEN. Prints a line for each thing that holds, and ends at the first that does not.
set -euo pipefail

export GH_ENTERPRISE_TOKEN=$TOKEN GH_NO_UPDATE_NOTIFIER=1 GH_PROMPT_DISABLED=1
unset GH_TOKEN GITHUB_TOKEN GITHUB_ENTERPRISE_TOKEN GH_HOST
when="year=$YEAR&month=$MONTH"

fail() {
    echo "FAILED $*" >&2
    exit 1
}

# expect WHAT EXPECTED ACTUAL
expect() {
    [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
    echo "OK $1: $3"
}

for version in 2022-11-28 2026-03-10; do
    for account in "enterprises/$ENT" "organizations/$ORG" "users/$USER_LOGIN"; do
        for endpoint in usage usage/summary premium_request/usage ai_credit/usage; do
            url="$BASE/$account/settings/billing/$endpoint?$when"
            head=$(gh api -i -H "X-GitHub-Api-Version: $version" "$url" | tr -d '\r')
            grep -q '^HTTP/1.1 200 OK$' <<<"$head" || fail "$version $url: ${head:0:300}"
            grep -qi "^x-github-api-version-selected: $version\$" <<<"$head" ||
                fail "$version $url: another version"
            count=$(gh api "$url" --jq '.usageItems | length')
            echo "OK $version $account $endpoint: $count items"
        done
    done
done

# gh writes fields of a GET into its query.
expect "fields as parameters" "$YEAR-$MONTH" "$(gh api -X GET -F "year=$YEAR" -F "month=$MONTH" \
    "$BASE/users/$USER_LOGIN/settings/billing/usage/summary" \
    --jq '.timePeriod | "\(.year)-\(.month)"')"

imports="$BASE/metering/v1/enterprises/$ENT/imports"
all=$(gh api "$imports" --jq '.imports[].id')
[ "$(wc -l <<<"$all")" -gt 2 ] || fail "the demo has more imports than: $all"
for size in 1 7 100; do
    pages=$(gh api --paginate "$imports?per_page=$size" --jq '.imports[].id')
    [ "$pages" = "$all" ] || fail "--paginate with $size a page: not what one answer holds"
    echo "OK --paginate, $size a page: $(wc -l <<<"$pages") imports"
done

# A report: created by fields, waited for, and downloaded by its link alone.
reports="$BASE/enterprises/$ENT/settings/billing/reports"
days=(-f "start_date=$YEAR-$(printf %02d "$MONTH")-01" -f "end_date=$YEAR-$(printf %02d "$MONTH")-28")
id=$(gh api "$reports" -f report_type=detailed "${days[@]}" --jq .id)
while [ "$(gh api "$reports/$id" --jq .status)" = processing ]; do sleep 0.1; done
expect "a report" completed "$(gh api "$reports/$id" --jq .status)"
expect "the newest report" "$id" "$(gh api "$reports" --jq '.usage_report_exports[0].id')"
url=$(gh api "$reports/$id" --jq '.download_urls[0]')
lines=$(curl --fail --silent --show-error "$url" | wc -l)
[ "$lines" -gt 100 ] || fail "the report has $lines lines"
echo "OK a report's download: $lines lines"

# status WHAT STATUS ARGUMENT...: what gh says of an error, and that it ends with one.
status() {
    local what=$1 expected=$2 said
    shift 2
    if said=$(gh api "$@" --silent 2>&1); then
        fail "$what: gh succeeded"
    fi
    grep -q "(HTTP $expected)" <<<"$said" || fail "$what: expected $expected, gh said: $said"
    echo "OK $what: $said"
}

usage="$BASE/enterprises/$ENT/settings/billing/usage"
status "a month that is none" 400 "$usage?year=$YEAR&month=13"
status "an enterprise that is none" 404 "$BASE/enterprises/no-such-enterprise/settings/billing/usage"
status "a retired endpoint" 410 "$BASE/orgs/$ORG/settings/billing/actions"
status "a report of no type" 400 "$reports" -f report_type=weekly "${days[@]}"
status "mail without a server for it" 400 "$reports" -f report_type=detailed "${days[@]}" \
    -F send_email=true
status "no version that exists" 400 -H "X-GitHub-Api-Version: 2000-01-01" "$usage"
GH_ENTERPRISE_TOKEN=x status "no token that exists" 401 "$usage"
