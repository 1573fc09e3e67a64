// A provider of others over TLS on a free port of loopback, as a child of the tests. Arguments: which one, modules folder,
// certificate, key. Prints {"port"}; reads its configuration as one line of JSON and prints {"ready": true}.
//   oidc    oidc-provider: {"issuer", "redirect_uri", "lifetime", "key"?: PEM of the client that signs}
//   mock    oauth2-mock-server: the configuration is {}; each further line is the next answer of the token endpoint, as
//           {"status", "body", "merge"} (merge: members over what it would have answered); every answer prints {"sent"}
'use strict'
const fs = require('node:fs')
const https = require('node:https')
const path = require('node:path')
const crypto = require('node:crypto')
const readline = require('node:readline')
const { pathToFileURL } = require('node:url')

const [which, modules, certificate, key] = process.argv.slice(2)
const load = file => import(pathToFileURL(path.join(modules, file)))
const say = value => process.stdout.write(JSON.stringify(value) + '\n')
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const line = async () => {
  const { value, done } = await lines.next()
  if (done) process.exit(0)
  return JSON.parse(value)
}

async function oidc () {
  const { default: Provider } = await load('oidc-provider/lib/index.js')
  let handler
  const server = https.createServer({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key) }, (req, res) => handler(req, res))
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  say({ port: server.address().port })
  const given = await line()
  const secret = { client_id: 'acme-client', client_secret: 'acme-client-secret-of-32-characters' }
  const clients = [
    { ...secret, grant_types: ['authorization_code', 'refresh_token'], redirect_uris: [given.redirect_uri], token_endpoint_auth_method: 'client_secret_basic' },
    { ...secret, client_id: 'machine', grant_types: ['client_credentials'], redirect_uris: [], response_types: [], scope: 'api:read' }
  ]
  if (given.key) {
    const jwk = crypto.createPublicKey(given.key).export({ format: 'jwk' })
    clients.push({
      client_id: 'signer', grant_types: ['client_credentials'], redirect_uris: [], response_types: [], scope: 'api:read',
      token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'RS256', jwks: { keys: [{ ...jwk, use: 'sig', alg: 'RS256' }] }
    })
  }
  const provider = new Provider(given.issuer, {
    clients,
    scopes: ['openid', 'offline_access', 'api:read'],
    features: { clientCredentials: { enabled: true }, revocation: { enabled: true }, introspection: { enabled: true } },
    pkce: { methods: ['S256'], required: () => true },
    rotateRefreshToken: true,
    ttl: { AccessToken: given.lifetime, ClientCredentials: given.lifetime, RefreshToken: 86400, Grant: 86400, Session: 86400, Interaction: 3600 }
  })
  handler = provider.callback()
  say({ ready: true })
  await line()
}

async function mock () {
  const { OAuth2Server } = await load('oauth2-mock-server/dist/index.mjs')
  const server = new OAuth2Server(key, certificate)
  await server.issuer.keys.generate('RS256')
  await server.start(0, '127.0.0.1')
  const next = []
  server.service.on('beforeResponse', response => {
    const told = next.shift()
    if (told && told.status) response.statusCode = told.status
    if (told && told.body !== undefined) response.body = told.body
    if (told && told.merge) response.body = { ...response.body, ...told.merge }
    say({ sent: response.statusCode })
  })
  say({ port: server.address().port })
  await line()
  say({ ready: true })
  for (;;) {
    next.push(await line())
    say({ queued: next.length })
  }
}

({ oidc, mock })[which]().catch(error => {
  process.stderr.write(error.stack + '\n')
  process.exit(1)
})
