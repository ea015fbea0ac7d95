// Notifications while no page is open (web push).  Nothing is kept for use without a connection:
// prices that are old would be shown as if they were not.
self.addEventListener("push", (event) => {
  let rows = [];
  try { rows = event.data.json().notifications || []; } catch { /* nothing to show */ }
  event.waitUntil(Promise.all(rows.map((one) => self.registration.showNotification(String(one.title), {
    body: String(one.text), tag: String(one.id), icon: "/page/icon.svg", data: { url: "/#/notifications" },
  }))));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(self.clients.matchAll({ type: "window" }).then((pages) =>
    pages.length ? pages[0].focus() : self.clients.openWindow(event.notification.data.url)));
});
