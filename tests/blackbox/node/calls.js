// One call with one client; prints what came back as JSON. Arguments: client, proxy address, user, token.
'use strict'
const http = require('node:http')

const [client, proxy, user, token] = process.argv.slice(2)
const [host, port] = proxy.split(':')
const authorization = 'Basic ' + Buffer.from(`${user}:${token}`).toString('base64')

const clients = {
  async undici_fetch () {
    const { fetch, ProxyAgent } = require('undici')
    const dispatcher = new ProxyAgent({ uri: `http://${proxy}`, token: authorization, proxyTunnel: false })
    const answer = await fetch('http://api.test/fetch', { dispatcher, method: 'POST', body: 'from undici' })
    const result = { status: answer.status, body: await answer.text() }
    await dispatcher.close()
    return result
  },
  async undici_tunnel () {
    const { fetch, ProxyAgent } = require('undici')
    const dispatcher = new ProxyAgent({ uri: `http://${proxy}`, token: authorization, proxyTunnel: true })
    const answer = await fetch('http://api.test/tunnel', { dispatcher, method: 'POST', body: 'from undici' })
    const result = { status: answer.status, body: await answer.text() }
    await dispatcher.close()
    return result
  },
  async undici_intercepted () {
    const { fetch, ProxyAgent } = require('undici')
    const dispatcher = new ProxyAgent({ uri: `http://${proxy}`, token: authorization })
    const answer = await fetch('https://api.test/intercepted', { dispatcher, method: 'POST', body: 'from undici' })
    const result = { status: answer.status, body: await answer.text() }
    await dispatcher.close()
    return result
  },
  async undici_websocket () {
    const { WebSocket, ProxyAgent } = require('undici')
    const dispatcher = new ProxyAgent({ uri: `http://${proxy}`, token: authorization })
    const socket = new WebSocket('ws://api.test/socket', { dispatcher })
    const body = await new Promise((resolve, reject) => {
      socket.onerror = event => reject(event.error)
      socket.onopen = () => socket.send('hello from undici')
      socket.onmessage = event => resolve(event.data)
    })
    await new Promise(resolve => {
      socket.onclose = resolve
      socket.close()
    })
    await dispatcher.close()
    return { status: 101, body }
  },
  async undici_many () {
    const { request, ProxyAgent } = require('undici')
    const dispatcher = new ProxyAgent({ uri: `http://${proxy}`, token: authorization, proxyTunnel: false })
    const statuses = await Promise.all(Array.from({ length: 40 }, async (_, n) => {
      const answer = await request(`http://api.test/${n}`, { dispatcher })
      await answer.body.text()
      return answer.statusCode
    }))
    await dispatcher.close()
    return { status: Math.max(...statuses), body: String(statuses.length) }
  },
  core () {
    return new Promise((resolve, reject) => {
      const request = http.request({
        host, port, path: 'http://api.test/core', headers: { host: 'api.test', 'proxy-authorization': authorization }
      }, answer => {
        let body = ''
        answer.on('data', part => { body += part })
        answer.on('end', () => resolve({ status: answer.statusCode, body }))
      })
      request.on('error', reject)
      request.end()
    })
  }
}

clients[client]().then(
  result => console.log(JSON.stringify(result)),
  error => { console.error(error); process.exitCode = 1 }
)
