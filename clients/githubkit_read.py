"""githubkit against a server: reads and reports, parsed by models made of GitHub's schemas.

From the environment: BASE, TOKEN, ENT, ORG, USER_LOGIN, YEAR, MONTH. Prints a line for each thing
that holds, and what does not; ends with status 1 when anything does not.

One conflict is GitHub's own: its schema says that the quantities of `usage` are integers, its
answers have fractions. So `usage` is read raw as well, and its typed parse may fail for fractions
of quantities and for nothing else.
"""

import csv
import datetime
import io
import os
import sys
import time
import urllib.request

from githubkit import GitHub
from pydantic import ValidationError

BASE, TOKEN = os.environ["BASE"], os.environ["TOKEN"]
ENT, ORG, USER = os.environ["ENT"], os.environ["ORG"], os.environ["USER_LOGIN"]
WHEN = {"year": int(os.environ["YEAR"]), "month": int(os.environ["MONTH"])}

failures = 0


def check(name, action):
    """Runs one thing and says how it went."""
    global failures
    try:
        print("OK", name, action())
    except Exception as error:  # Whatever it is: it is shown, and it counts.
        failures += 1
        print("FAILED", name, type(error).__name__, str(error)[:2000])


def parsed(call):
    """How many items the typed parse has."""
    return f"{len(call().parsed_data.usage_items)} items"


def parsed_usage(call):
    """The typed parse of `usage`: whole, or refused for fractions of quantities alone."""
    try:
        return parsed(call)
    except ValidationError as error:
        fractions = [fault for fault in error.errors() if is_fraction(fault)]
        # Each list may also be left out, and pydantic says that it was not, once.
        others = [fault for fault in error.errors() if not is_fraction(fault) and not is_set(fault)]
        if others or not fractions:
            raise
        return f"refused, as GitHub's own answers are, for {len(fractions)} fractions of quantities"


def is_fraction(fault):
    """Whether it is a quantity that is not whole."""
    return fault["type"] == "int_from_float" and fault["loc"][-1] == "quantity"


def is_set(fault):
    """Whether it only says that something is there that could be left out."""
    return fault["type"] == "literal_error" and fault["loc"][-1] == "literal[<UNSET>]"


def raw_usage(call):
    """`usage` without models: the keys and their kinds."""
    items = call().json()["usageItems"]
    for item in items:
        for key in ("date", "product", "sku", "unitType"):
            assert isinstance(item[key], str), (key, item)
        for key in ("quantity", "pricePerUnit", "grossAmount", "discountAmount", "netAmount"):
            assert isinstance(item[key], (int, float)), (key, item)
    assert items, "the demo has usage in every month"
    return f"{len(items)} items"


def usage_calls(public, cloud):
    """The three `usage` operations."""
    return [
        (
            "enterprise usage",
            lambda: cloud.get_github_billing_usage_report_ghe(ENT, **WHEN),
        ),
        (
            "organization usage",
            lambda: public.get_github_billing_usage_report_org(ORG, **WHEN),
        ),
        (
            "user usage",
            lambda: public.get_github_billing_usage_report_user(USER, **WHEN),
        ),
    ]


def summary_calls(public, cloud):
    """The nine operations that sum; their default is the current month."""
    premium = "get_github_billing_premium_request_usage_report"
    credit = "get_github_billing_ai_credit_usage_report"
    summary = "get_github_billing_usage_summary_report"
    for name, method in [("summary", summary), ("premium", premium), ("AI credits", credit)]:
        for kind, api, suffix, account in [
            ("enterprise", cloud, "ghe", ENT),
            ("organization", public, "org", ORG),
            ("user", public, "user", USER),
        ]:
            call = getattr(api, f"{method}_{suffix}")
            for when, parameters in [("now", {}), ("a month", WHEN), ("a year", year())]:
                yield f"{kind} {name} of {when}", lambda c=call, a=account, p=parameters: c(a, **p)


def year():
    """All of the year, in which every endpoint has usage."""
    return {"year": WHEN["year"]}


def cost_centers(cloud):
    """All cost centers, and each by its id."""
    centers = cloud.get_all_cost_centers(ENT).parsed_data.cost_centers
    assert centers, "the demo has cost centers"
    for center in centers:
        assert cloud.get_cost_center(ENT, center.id).parsed_data.name == center.name
    return f"{len(centers)} cost centers"


def report(cloud, kind):
    """A report, by GitHub's models: created, waited for, in the list, and downloaded."""
    first = datetime.date(WHEN["year"], WHEN["month"], 1)
    created = cloud.create_usage_report_export(
        ENT, report_type=kind, start_date=first, end_date=first.replace(day=28)
    ).parsed_data
    assert (created.actor, created.start_date) == (USER, first), created
    seen = created
    while seen.status == "processing":
        time.sleep(0.05)
        seen = cloud.get_usage_report_export(ENT, created.id).parsed_data
    assert seen.status == "completed", seen
    listed = cloud.list_usage_report_exports(ENT).parsed_data.usage_report_exports
    assert created.id in [export.id for export in listed]
    lines = 0
    for url in seen.download_urls:
        with urllib.request.urlopen(url) as file:
            text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
            for line in csv.DictReader(text):
                assert line["date"].startswith(first.strftime("%Y-%m-")), line
                lines += 1
    return f"{lines} lines in {len(seen.download_urls)} files"


def main():
    """Everything, once."""
    github = GitHub(TOKEN, base_url=f"{BASE}/", auto_retry=False)
    public = github.rest("2026-03-10").billing
    cloud = github.rest("ghec-2026-03-10").billing
    for name, call in usage_calls(public, cloud):
        check(f"{name}, raw:", lambda: raw_usage(call))
        check(f"{name}, typed:", lambda: parsed_usage(call))
    for name, call in summary_calls(public, cloud):
        check(f"{name}, typed:", lambda: parsed(call))
    check("enterprise premium of a user:", lambda: parsed(
        lambda: cloud.get_github_billing_premium_request_usage_report_ghe(ENT, user=USER, **year())
    ))
    check("cost centers, typed:", lambda: cost_centers(cloud))
    for kind in ("detailed", "summarized", "premium_request", "ai_credit"):
        check(f"report {kind}, typed:", lambda: report(cloud, kind))
    sys.exit(failures > 0)


main()
