// On the page of a shared link, which is the same for every story: the address of this one in the web client.
const id = /^\/s\/([A-Za-z0-9-]{1,64})$/.exec(location.pathname)?.[1];
const link = document.getElementById("open");
if (id && link) {
  link.setAttribute("href", `/app/#/s/${id}`);
  link.hidden = false;
}
