/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Everything works without this script. With it, a choice on the banner is
 * sent without leaving the page, and the page's own scripts can ask:
 *
 *     privacy.state()                 the state, or null while it is not known
 *     privacy.ready()                 a promise of it
 *     privacy.allows("analytics")     false unless it is known to be granted
 *     privacy.on(function (state) {}) now, or once known, and after each change; returns a function that ends it
 *     privacy.choose({analytics: true, marketing: false})     a promise of the new state
 *
 * After each change the document gets an event "privacy:change" with the state as its detail.
 */

(function () {
    "use strict";

    var prefix = document.currentScript.src.replace(/assets\/[^/]*\/[^/]*$/, "");
    var state = window.__privacyState || null;
    var asking = null;
    var listeners = [];
    var sending = false;


    function banner() {
        return document.getElementById("privacy-banner");
    }


    /* A listener that throws does not keep the others from hearing. */
    function call(listener) {
        try {
            listener(state);
        } catch (error) {
            setTimeout(function () { throw error; });
        }
    }


    function changed(next) {
        state = next;
        listeners.slice().forEach(call);
        document.dispatchEvent(new CustomEvent("privacy:change", { detail: state }));
    }


    function ask() {
        return fetch(prefix + "choices", { credentials: "same-origin", headers: { Accept: "application/json" } })
            .then(function (answer) {
                if (!answer.ok) {
                    throw new Error("privacy: " + answer.status);
                }
                return answer.json();
            });
    }


    function ready() {
        if (state) {
            return Promise.resolve(state);
        }

        if (!asking) {
            asking = ask().then(function (known) {
                state = state || known;
                asking = null;
                return state;
            }, function (error) {
                asking = null;
                throw error;
            });
        }

        return asking;
    }


    /* Resolves to {ok, state, message}; rejects only when nothing was heard. */
    function post(type, body) {
        return fetch(prefix + "choices", {
            method: "POST",
            credentials: "same-origin",
            headers: { "Accept": "application/json", "Content-Type": type },
            body: body
        }).then(function (answer) {
            return answer.json().then(function (said) {
                return { ok: answer.ok && said.saved === true, state: said.state, message: said.message || "" };
            });
        });
    }


    function choose(purposes) {
        return ready().then(function () {
            return post("application/json", JSON.stringify({ token: state.token, choice: "custom",
                                                             purposes: purposes }));
        }).then(function (said) {
            if (said.state) {
                changed(said.state);
            }
            if (!said.ok) {
                throw new Error(said.message);
            }
            if (!asks(state)) {
                finish();
            }
            return state;
        });
    }


    function granted(id) {
        return function (purpose) {
            return purpose.id === id && purpose.granted;
        };
    }


    function allows(id) {
        return !!state && state.purposes.some(granted(id));
    }


    function on(listener) {
        listeners.push(listener);

        ready().then(function () {
            if (listeners.indexOf(listener) >= 0) {
                call(listener);
            }
        }, function () {});

        return function () {
            listeners = listeners.filter(function (other) { return other !== listener; });
        };
    }


    function asks(known) {
        return known.purposes.some(function (purpose) { return purpose.asked; });
    }


    /* The banner has done its work: what stays is the link to the settings. */
    function finish() {
        var section = banner();
        var nav = document.getElementById("privacy-settings");

        if (!section) {
            return;
        }

        if (!nav) {
            nav = document.createElement("nav");
            var link = document.createElement("a");
            nav.id = "privacy-settings";
            nav.lang = section.lang;
            nav.dir = section.dir;
            nav.setAttribute("aria-label", section.dataset.settings);
            link.href = prefix + "choices";
            link.textContent = section.dataset.settings;
            nav.appendChild(link);
            section.parentNode.insertBefore(nav, section);
        }

        /* In shared pages the state's own style sheet hides it until somebody has chosen. */
        nav.style.setProperty("display", "block", "important");

        var held = section.contains(document.activeElement);
        section.parentNode.removeChild(section);
        if (held) {
            nav.firstChild.focus({ preventScroll: true });
        }
    }


    function say(section, text) {
        var line = section.querySelector(".privacy-message");

        if (!line) {
            line = document.createElement("p");
            line.className = "privacy-message";
            line.setAttribute("role", "alert");
            section.querySelector("form").appendChild(line);
        }

        line.textContent = text;
    }


    /* Not "disabled": the keyboard's focus would be lost. */
    function enable(form, enabled) {
        sending = !enabled;
        form.querySelectorAll("button").forEach(function (button) {
            button.setAttribute("aria-disabled", String(sending));
        });
    }


    function here() {
        return location.pathname + location.search;
    }


    function body(form, choice) {
        var fields = new URLSearchParams();

        fields.set("token", form.elements.token.value);
        fields.set("return", here());
        fields.set("choice", choice);

        return fields.toString();
    }


    function submit(section, form, choice) {
        enable(form, false);

        post("application/x-www-form-urlencoded", body(form, choice)).then(function (said) {
            if (said.state) {
                form.elements.token.value = said.state.token;
                changed(said.state);
            }

            if (said.ok) {
                finish();
                return;
            }

            enable(form, true);
            say(section, said.message || section.dataset.failed);

        }).catch(function () {
            enable(form, true);
            say(section, section.dataset.failed);
        });
    }


    /* The banner of a shared page knows nobody: it gets this visitor's token here. */
    function wake(section, form) {
        var signal = section.querySelector(".privacy-signal");

        if (form.elements.token.value || !state) {
            return;
        }

        form.elements.token.value = state.token;
        form.elements["return"].value = here();
        form.querySelectorAll("button[hidden]").forEach(function (button) { button.hidden = false; });

        if (signal && state.signal) {
            signal.hidden = false;
        }
    }


    function start() {
        var section = banner();
        var form = section && section.querySelector("form");

        if (!form) {
            return;
        }

        if (state && !asks(state)) {
            finish();
            return;
        }

        wake(section, form);

        form.querySelector(".privacy-buttons a").search = "?return=" + encodeURIComponent(here());

        form.addEventListener("submit", function (event) {
            var button = event.submitter || document.activeElement;

            if (!button || button.name !== "choice" || !form.elements.token.value) {
                return;
            }

            event.preventDefault();
            if (!sending) {
                submit(section, form, button.value);
            }
        });
    }


    /* What holds may have changed elsewhere. */
    function refresh() {
        ask().then(function (known) {
            var section = banner();

            if (sending) {
                return;
            }

            changed(known);
            if (!asks(known)) {
                finish();
            } else if (section) {
                section.querySelector("form").elements.token.value = known.token;
            }
        }).catch(function () {});
    }


    /* Who goes back in the history sees a page that may be older than the choice. */
    function shown(event) {
        var navigation = performance.getEntriesByType("navigation")[0];

        if (event.persisted || (navigation && navigation.type === "back_forward")) {
            refresh();
        }
    }


    /* A page for everybody cannot say who is logged in; the state does. */
    function notices() {
        var reader = window.__privacyUser;
        var script;

        if (!reader) {
            return;
        }

        script = document.createElement("script");
        script.dataset.user = reader.tag;
        script.dataset.style = reader.style;
        script.src = reader.script;
        document.head.appendChild(script);
    }


    window.privacy = {
        state: function () { ready().catch(function () {}); return state; },
        ready: ready,
        allows: allows,
        choose: choose,
        on: on
    };

    window.addEventListener("pageshow", shown);
    document.addEventListener("privacy:answered", refresh);
    notices();

    if (document.readyState === "loading") {
        document.addEventListener("DOMContentLoaded", start);
    } else {
        start();
    }
}());
