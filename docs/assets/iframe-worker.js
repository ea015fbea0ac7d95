// Search from disk: browsers refuse a Worker on file://, so its script runs in a hidden frame.
// mkdocs-material would load iframe-worker from the network; the site must open without one.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      const worker = this
      const base = new URL(url, location)
      const scope = frame.contentWindow
      this.waiting = []
      scope.postMessage = data => worker.dispatchEvent(new MessageEvent("message", { data }))
      scope.importScripts = (...urls) => urls.reduce((loaded, source) => loaded.then(() => load(source)),
        Promise.resolve())
      const load = source => new Promise((resolve, reject) => {
        const script = scope.document.createElement("script")
        script.src = new URL(source, base).href
        script.onload = resolve
        script.onerror = () => reject(new Error(`cannot load ${source}`))
        scope.document.body.append(script)
      })
      this.scope = scope
      load(base.href).then(() => {
        const waiting = this.waiting
        this.waiting = null
        waiting.forEach(data => this.postMessage(data))
      })
    }
    postMessage(data) {
      if (this.waiting) this.waiting.push(data)
      else this.scope.dispatchEvent(new this.scope.MessageEvent("message", { data }))
    }
    terminate() {}
  }
}
