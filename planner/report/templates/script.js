(function () {
  "use strict";
  var root = document.documentElement;
  function light(number) {
    document.querySelectorAll(".lit").forEach(function (e) { e.classList.remove("lit"); });
    root.classList.toggle("lighting", number !== null);
    if (number !== null) {
      document.querySelectorAll(".r" + number).forEach(function (e) { e.classList.add("lit"); });
    }
  }
  function asked(event) {
    var element = event.target.closest ? event.target.closest("[data-r]") : null;
    light(element ? element.getAttribute("data-r") : null);
  }
  document.addEventListener("mouseover", asked);
  document.addEventListener("focusin", asked);
  var closed = [];
  window.addEventListener("beforeprint", function () {
    closed = Array.prototype.slice.call(document.querySelectorAll("details:not([open])"));
    closed.forEach(function (e) { e.open = true; });
  });
  window.addEventListener("afterprint", function () {
    closed.forEach(function (e) { e.open = false; });
  });
})();
