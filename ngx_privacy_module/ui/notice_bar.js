/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Stands right behind the bar of a public notice: the same bytes for everybody,
 * so what a visitor closed is known to their browser only.
 */

(function () {
    "use strict";

    var KEY = "privacy-closed";
    var MANY = 16;

    var bar = document.currentScript.previousElementSibling;
    var id = bar && bar.dataset.notice;


    function closed() {
        try {
            return (localStorage.getItem(KEY) || "").split(",").filter(Boolean).slice(-MANY);
        } catch (error) {
            return [];
        }
    }


    function close() {
        bar.hidden = true;

        try {
            localStorage.setItem(KEY, closed().concat(id).slice(-MANY).join());
        } catch (error) {
            /* It is closed on this page, then. */
        }
    }


    if (!id) {
        return;
    }

    if (closed().indexOf(id) >= 0) {
        bar.hidden = true;
        return;
    }

    var button = document.createElement("button");
    button.type = "button";
    button.textContent = bar.dataset.close;
    button.addEventListener("click", close);
    bar.querySelector(".privacy-buttons").appendChild(button);
}());
