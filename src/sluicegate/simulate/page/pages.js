"use strict";
/* A file of several pages. Which one is seen is the style sheet's business (:target); this tells it to the links, to the
   title of the window and to who does not see, and filters lists. Without it, the pages still work. */
(function () {
  const name = document.title;
  const links = document.querySelectorAll("nav a[href^='#']");

  function arrived() {
    const key = decodeURIComponent(location.hash.slice(1));
    const page = document.getElementById(key) || document.querySelector(".page.first");
    if (!page || !page.classList.contains("page")) return;
    document.title = page.classList.contains("first") ? name : page.dataset.title + " – " + name;
    links.forEach((link) => {
      const to = link.getAttribute("href").slice(1);
      if (to === page.id) link.setAttribute("aria-current", "page");
      else if (link.dataset.part && link.dataset.part === page.dataset.part) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
  }

  function filter(input) {
    const rows = document.querySelectorAll("#" + input.dataset.filter + " tbody tr");
    const field = input.closest(".search");
    const told = field.querySelector("output");
    const apply = () => {
      const wanted = input.value.trim().toLocaleLowerCase();
      let left = 0;
      rows.forEach((row) => {
        row.hidden = !row.textContent.toLocaleLowerCase().includes(wanted);
        left += row.hidden ? 0 : 1;
      });
      told.textContent = wanted ? left + " of " + rows.length : "";
    };
    field.hidden = false;
    input.addEventListener("input", apply);
    apply();
  }

  document.querySelectorAll("input[data-filter]").forEach(filter);
  window.addEventListener("hashchange", arrived);
  arrived();
})();
