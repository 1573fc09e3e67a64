// One call with one client of Node's. Arguments: the client, and the column of the matrix. What came is printed.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const [name, column] = process.argv.slice(2)
const { resolve } = createRequire(process.env.NODE_PATH + '/none.js')
const load = async what => import(pathToFileURL(resolve(what)))

const base = process.env.BASE_URL // of base-URL mode: no proxy then
const key = base ? process.env.API_KEY : 'none' // a caller that goes through the proxy holds no key at all
const scheme = ['https', 'refused'].includes(column) ? 'https' : 'http'
const payload = column === 'upload' ? readFileSync(process.env.PAYLOAD) : undefined
const api = base ?? `${scheme}://api.test`
const headers = base ? { authorization: `Bearer ${key}` } : {}

const show = part => process.stdout.write(part)
const showAll = async parts => { for await (const part of parts) show(typeof part === 'string' ? part : Buffer.from(part)) }

// For clients that take an agent of node:http.
async function agents () {
  if (base) return {}
  const { HttpProxyAgent } = await load('http-proxy-agent')
  const { HttpsProxyAgent } = await load('https-proxy-agent')
  return { http: new HttpProxyAgent(process.env.http_proxy), https: new HttpsProxyAgent(process.env.http_proxy) }
}

// For clients that use Node's fetch: two lines at the start of a program, and none from Node 22.21 and 24.5 on.
async function fetchThroughTheProxy () {
  const { setGlobalDispatcher, EnvHttpProxyAgent } = await load('undici')
  setGlobalDispatcher(new EnvHttpProxyAgent())
}

async function byUndici (version) {
  const { fetch, EnvHttpProxyAgent } = await load(version)
  const answer = await fetch(api + ({ upload: '/upload', stream: '/stream' }[column] ?? '/v1/hello'), {
    dispatcher: new EnvHttpProxyAgent(), headers, method: payload ? 'PUT' : 'GET', body: payload
  })
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`)
  await showAll(answer.body)
}

async function byAxios (version) {
  const { default: axios } = await load(version)
  if (column === 'upload') return show((await axios.put(api + '/upload', payload, { headers, responseType: 'text', maxBodyLength: Infinity })).data)
  if (column === 'stream') return showAll((await axios.get(api + '/stream', { headers, responseType: 'stream' })).data)
  show((await axios.get(api + '/v1/hello', { headers })).data)
}

const clients = {
  'undici 6': () => byUndici('undici'),
  'undici 7': () => byUndici('undici7'),
  'axios 0.27': () => byAxios('axios-0'),
  'axios 1': () => byAxios('axios'),
  async got () {
    const { default: got } = await load('got')
    const options = { agent: await agents(), headers, retry: { limit: 0 } }
    if (column === 'upload') return show((await got.put(api + '/upload', { ...options, body: payload })).body)
    if (column === 'stream') return showAll(got.stream(api + '/stream', options))
    show(await got(api + '/v1/hello', options).text())
  },
  async '@octokit/rest' () {
    await fetchThroughTheProxy()
    const { Octokit } = await load('@octokit/rest')
    const github = new Octokit({ auth: key, baseUrl: base ?? `${scheme}://api.github.com` })
    if (column === 'upload') return github.rest.git.createBlob({ owner: 'o', repo: 'r', content: payload.toString() })
    if (column === 'stream') {
      return showAll((await github.rest.repos.downloadTarballArchive({
        owner: 'o', repo: 'r', ref: 'main', request: { parseSuccessResponseBody: false }
      })).data)
    }
    show((await github.rest.users.getAuthenticated()).data.login)
  },
  async stripe () {
    const { default: Stripe } = await load('stripe')
    const where = base ? new URL(base) : new URL(`${scheme}://api.stripe.com`)
    const stripe = new Stripe(key, {
      host: where.hostname,
      port: where.port || (scheme === 'https' ? 443 : 80),
      protocol: scheme,
      httpAgent: (await agents())[scheme],
      maxNetworkRetries: 0
    })
    if (column === 'upload') return stripe.files.create({ purpose: 'dispute_evidence', file: { data: payload, name: 'a.txt' } })
    if (column === 'stream') return showAll(await stripe.quotes.pdf('qt_1', { host: where.hostname }))
    show((await stripe.customers.retrieve('cus_1')).name)
  },
  async openai () {
    await fetchThroughTheProxy()
    const { default: OpenAI, toFile } = await load('openai')
    const openai = new OpenAI({ apiKey: key, baseURL: (base ?? `${scheme}://api.openai.com`) + '/v1', maxRetries: 0 })
    if (column === 'upload') return openai.files.create({ purpose: 'user_data', file: await toFile(payload, 'a.txt') })
    if (column === 'stream') {
      const stream = await openai.chat.completions.create({ model: 'm', messages: [], stream: true })
      for await (const event of stream) show(event.choices[0].delta.content)
      return
    }
    show((await openai.models.retrieve('m')).id)
  },
  async '@slack/web-api' () {
    const { WebClient, LogLevel } = await load('@slack/web-api')
    const slack = new WebClient(key, {
      slackApiUrl: (base ?? `${scheme}://slack.com`) + '/api/', agent: (await agents())[scheme], retryConfig: { retries: 0 }, logLevel: LogLevel.ERROR
    })
    if (column === 'upload') return slack.chat.postMessage({ channel: 'c', text: payload.toString() })
    show((await slack.auth.test()).user)
  },
  async '@aws-sdk/client-s3' () {
    const { S3Client, ListBucketsCommand, PutObjectCommand, GetObjectCommand } = await load('@aws-sdk/client-s3')
    const { http, https } = await agents()
    const s3 = new S3Client({
      region: 'us-east-1',
      forcePathStyle: true,
      maxAttempts: 1,
      endpoint: base ?? `${scheme}://s3.us-east-1.amazonaws.com`,
      credentials: { accessKeyId: 'none', secretAccessKey: 'none', sessionToken: base ? key : undefined },
      requestHandler: { httpAgent: http, httpsAgent: https }
    })
    if (column === 'upload') return s3.send(new PutObjectCommand({ Bucket: 'b', Key: 'upload', Body: payload }))
    if (column === 'stream') return showAll((await s3.send(new GetObjectCommand({ Bucket: 'b', Key: 'stream' }))).Body)
    show((await s3.send(new ListBucketsCommand({}))).Buckets[0].Name)
  }
}

clients[name]().then(() => process.exit(0), error => { console.error(error); process.exit(1) })
