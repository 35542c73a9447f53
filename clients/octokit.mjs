// Octokit against a server: every read operation, in both API versions, reports, errors and pages.
//
// From the environment: BASE, TOKEN, ENT, ORG, USER_LOGIN, YEAR, MONTH. Prints a line for each
// thing that holds; the first thing that does not ends it with a stack trace and status 1.
import assert from 'node:assert/strict';
import { Octokit as RestOctokit } from '@octokit/rest';
import { Octokit } from 'octokit';

const { BASE, TOKEN, ENT, ORG, USER_LOGIN } = process.env;
const when = { year: Number(process.env.YEAR), month: Number(process.env.MONTH) };
const versions = ['2022-11-28', '2026-03-10'];
const accounts = [
  { kind: 'enterprise', route: '/enterprises/{enterprise}', names: { enterprise: ENT } },
  { kind: 'organization', route: '/organizations/{org}', names: { org: ORG } },
  { kind: 'user', route: '/users/{username}', names: { username: USER_LOGIN } },
];
const endpoints = ['usage', 'usage/summary', 'premium_request/usage', 'ai_credit/usage'];
// No retries: an answer that has to be asked for twice is a fault here.
const options = { auth: TOKEN, baseUrl: BASE, retry: { enabled: false } };

function ok(text) {
  console.log(`OK ${text}`);
}

function assertItems(items) {
  assert.ok(Array.isArray(items));
  for (const item of items) {
    for (const key of ['product', 'sku', 'unitType']) assert.equal(typeof item[key], 'string');
    for (const key of ['pricePerUnit', 'grossAmount', 'discountAmount', 'netAmount']) {
      assert.equal(typeof item[key], 'number', key);
    }
  }
}

/** Every endpoint of every kind of account, by its route. */
async function readRoutes(octokit, name) {
  for (const version of versions) {
    const headers = { 'X-GitHub-Api-Version': version };
    for (const { kind, route, names } of accounts) {
      for (const endpoint of endpoints) {
        const path = `GET ${route}/settings/billing/${endpoint}`;
        // A year has premium requests and AI credits; a month may have one of them alone.
        const period = endpoint === 'usage' ? when : { year: when.year };
        const answer = await octokit.request(path, { ...names, ...period, headers });
        assert.equal(answer.status, 200);
        assert.equal(answer.headers['x-github-api-version-selected'], version);
        assertItems(answer.data.usageItems);
        if (kind !== 'user') assert.ok(answer.data.usageItems.length > 0);
        if (endpoint !== 'usage') assert.deepEqual(answer.data.timePeriod, period);
        ok(`${name}, ${version}: ${kind} ${endpoint}, ${answer.data.usageItems.length} items`);
      }
    }
  }
}

/** The methods that Octokit has by name; they exist for organizations and users. */
async function readByName(octokit) {
  const { billing } = octokit.rest;
  const org = { org: ORG, ...when };
  const user = { username: USER_LOGIN, ...when };
  const calls = [
    ['getGithubBillingUsageReportOrg', org],
    ['getGithubBillingUsageReportUser', user],
    ['getGithubBillingPremiumRequestUsageReportOrg', org],
    ['getGithubBillingPremiumRequestUsageReportUser', user],
  ];
  for (const [method, parameters] of calls) {
    const { status, data } = await billing[method](parameters);
    assert.equal(status, 200);
    assertItems(data.usageItems);
    ok(`rest.billing.${method}, ${data.usageItems.length} items`);
  }
}

async function readCostCenters(octokit) {
  const route = 'GET /enterprises/{enterprise}/settings/billing/cost-centers';
  const { data } = await octokit.request(route, { enterprise: ENT });
  assert.ok(data.costCenters.length > 0);
  for (const { id, name } of data.costCenters) {
    const one = await octokit.request(`${route}/{cost_center_id}`, {
      enterprise: ENT,
      cost_center_id: id,
    });
    assert.equal(one.data.name, name);
  }
  ok(`cost centers, all and each of ${data.costCenters.length}`);
}

/** `paginate` follows `Link`: pages of any size hold what one answer holds. */
async function followPages(octokit) {
  const route = 'GET /metering/v1/enterprises/{enterprise}/imports';
  const { data } = await octokit.request(route, { enterprise: ENT });
  const all = data.imports.map((it) => it.id);
  assert.ok(all.length > 2);
  for (const size of [1, Math.ceil(all.length / 2), 100]) {
    const parameters = { enterprise: ENT, per_page: size };
    const pages = await octokit.paginate(route, parameters, (page) => page.data.imports);
    assert.deepEqual(pages.map((it) => it.id), all);
  }
  ok(`paginate, ${all.length} imports in pages of three sizes`);
}

async function errors(octokit) {
  const usage = 'GET /enterprises/{enterprise}/settings/billing/usage';
  const cases = [
    ['a month that is none', 400, usage, { enterprise: ENT, year: when.year, month: 13 }],
    ['an enterprise that is none', 404, usage, { enterprise: 'no-such-enterprise' }],
    ['a retired endpoint', 410, 'GET /orgs/{org}/settings/billing/actions', { org: ORG }],
    [
      'no version that exists',
      400,
      usage,
      { enterprise: ENT, headers: { 'X-GitHub-Api-Version': '2000-01-01' } },
    ],
  ];
  const stranger = new RestOctokit({ ...options, auth: 'no-such-token' });
  cases.push(['no token that exists', 401, usage, { enterprise: ENT }, stranger]);
  for (const [what, status, route, parameters, client = octokit] of cases) {
    await assert.rejects(client.request(route, parameters), (error) => {
      assert.equal(error.status, status, what);
      assert.equal(error.response.data.status, String(status), what);
      assert.equal(typeof error.response.data.message, 'string', what);
      return true;
    });
    ok(`${what}: ${status}`);
  }
}

/** A report of each type: asked for, waited for, listed, and downloaded without a token. */
async function reports(octokit) {
  const route = '/enterprises/{enterprise}/settings/billing/reports';
  const month = `${when.year}-${String(when.month).padStart(2, '0')}`;
  const days = { start_date: `${month}-01`, end_date: `${month}-28` };
  const list = `GET ${route}`;
  for (const type of ['detailed', 'summarized', 'premium_request', 'ai_credit']) {
    const body = { enterprise: ENT, report_type: type, ...days };
    const accepted = await octokit.request(`POST ${route}`, body);
    assert.equal(accepted.status, 202);
    let { data } = accepted;
    assert.deepEqual([data.status, data.actor, data.report_type], ['processing', USER_LOGIN, type]);
    while (data.status === 'processing') {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const parameters = { enterprise: ENT, report_id: data.id };
      ({ data } = await octokit.request(`GET ${route}/{report_id}`, parameters));
    }
    assert.equal(data.status, 'completed');
    const all = await octokit.request(list, { enterprise: ENT });
    assert.equal(all.data.usage_report_exports[0].id, data.id);
    let lines = 0;
    for (const url of data.download_urls) lines += await download(url);
    if (type === 'detailed') assert.ok(lines > 100, String(lines));
    ok(`report ${type}: ${lines} lines in ${data.download_urls.length} files`);
  }
  const wrong = { enterprise: ENT, report_type: 'weekly', ...days };
  await assert.rejects(octokit.request(`POST ${route}`, wrong), (error) => error.status === 400);
  ok('a report of no type: 400');
}

/** The lines of a report's file, which whoever has the link may read. */
async function download(url) {
  const answer = await fetch(url);
  assert.equal(answer.status, 200);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  assert.deepEqual([...bytes.subarray(0, 3)], [0xef, 0xbb, 0xbf]);
  const digest = await crypto.subtle.digest('SHA-256', bytes);
  const sum = Buffer.from(digest).toString('hex');
  assert.equal(answer.headers.get('x-checksum-sha256'), sum);
  const range = await fetch(url, { headers: { Range: 'bytes=3-8' } });
  assert.deepEqual([range.status, await range.text()], [206, '"date"']);
  const changed = await fetch(url.replace('signature=', 'signature=0'));
  assert.equal(changed.status, 403);
  return new TextDecoder().decode(bytes).split('\r\n').length - 2;
}

/** A request with the entity tag of an answer is answered without a body. */
async function conditional(octokit) {
  const route = 'GET /users/{username}/settings/billing/usage/summary';
  const first = await octokit.request(route, { username: USER_LOGIN, ...when });
  const headers = { 'If-None-Match': first.headers.etag };
  await assert.rejects(
    octokit.request(route, { username: USER_LOGIN, ...when, headers }),
    (error) => error.status === 304,
  );
  ok('a conditional request: 304');
}

const rest = new RestOctokit(options);
await readRoutes(rest, '@octokit/rest');
await readRoutes(new Octokit(options), 'octokit');
await readRoutes(new RestOctokit({ ...options, baseUrl: `${BASE}/api/v3` }), 'below /api/v3');
await readByName(rest);
await readCostCenters(rest);
await followPages(rest);
await errors(rest);
await conditional(rest);
await reports(rest);
