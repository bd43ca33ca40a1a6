/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Loaded for who is logged in. Everything works without it: notices are then a
 * bar in the next page. With it they come while a page is open, and are answered
 * without leaving it.
 *
 * One stream for all tabs of a browser: the tab that holds the lock has it, and
 * passes on what comes. A page was made for somebody (data-user, of this login);
 * it shows nothing that comes for somebody else.
 *
 * Nothing that arrives is markup: it becomes text nodes.
 */

(function () {
    "use strict";

    var me = document.currentScript;
    var user = me.dataset.user;
    var prefix = me.src.replace(/assets\/[^/]*\/[^/]*$/, "");
    var name = "privacy-notices:" + new URL(prefix).pathname;

    var channel = typeof BroadcastChannel === "function" ? new BroadcastChannel(name) : null;
    var hello = null;               /* the newest: who the stream is for, and what the panel says by itself */
    var waiting = [];               /* notices that are to be shown, after what is shown now */
    var shown = null;               /* {id, notice, section, form, done} */
    var over = {};                  /* ids that were answered or taken back, here or elsewhere */
    var seen = {};                  /* ids that were reported as seen */


    /* The stream, where this tab has it. */

    var source = null;
    var reader = "";                /* whom this stream is for */
    var open = {};                  /* what came and was not closed, for tabs that come later */
    var letGo = null;               /* ends this tab's turn */
    var again = 0;                  /* attempts since the stream was last open */
    var dormant = false;            /* nobody is logged in: nothing can come before the next page does */


    function tell(message) {
        hear(message);

        if (channel) {
            channel.postMessage(message);
        }
    }


    function stream() {
        source = new EventSource(prefix + "events");

        source.addEventListener("open", function () {
            again = 0;
        });

        source.addEventListener("hello", function (event) {
            var said = JSON.parse(event.data);

            /* It came back to somebody else: what the one before was told last says nothing of what this one was. */
            if (reader && reader !== said.user) {
                anew(0);
                return;
            }

            reader = said.user;
            open = {};
            hello = null;
            tell({ hello: said });
        });

        source.addEventListener("notice", function (event) {
            var notice = JSON.parse(event.data);
            open[notice.id] = notice;
            tell({ notice: notice, user: hello && hello.user });
        });

        source.addEventListener("closed", function (event) {
            var said = JSON.parse(event.data);
            delete open[said.id];
            tell({ closed: said.id, why: said.why, user: hello && hello.user });
        });

        /* The session is over: what is shown goes now; who comes next is said by the next hello. */
        source.addEventListener("left", function () {
            open = {};
            tell({ hello: { user: "" } });
            anew(1000 + 2000 * Math.random());
        });

        source.addEventListener("error", function () {
            if (source && source.readyState === EventSource.CLOSED) {
                stop();
                ask();
            }
        });
    }


    function stop() {
        if (source) {
            source.close();
            source = null;
        }
        reader = "";
    }


    function anew(pause) {
        stop();
        setTimeout(function () {
            if (letGo && !source) {
                stream();
            }
        }, pause);
    }


    /* The stream ended for good: because nobody is logged in, or because something is broken? */
    function ask() {
        if (!letGo) {
            return;
        }

        fetch(prefix + "notices", { credentials: "same-origin", headers: { Accept: "application/json" } })
            .then(function (answer) {
                if (!answer.ok) {
                    throw new Error("privacy: " + answer.status);
                }
                return answer.json();
            })
            .then(function (said) {
                if (said.user) {
                    throw new Error("privacy: no stream");
                }
                dormant = true;
                tell({ hello: { user: "" } });
                if (letGo) {
                    letGo();
                }
            })
            .catch(function () {
                anew(1000 * Math.min(600, 15 * Math.pow(2, again++)) * (0.5 + Math.random()));
            });
    }


    /* Resolves when the turn ends. */
    function turn() {
        return new Promise(function (done) {
            letGo = function () {
                letGo = null;
                stop();
                done();
            };
            stream();
        });
    }


    /* Whose turn it is, where pages may not lock (plain HTTP): a lease that its holder renews. */

    var LEASE = 20000;
    var mine = String(Math.random()).slice(2);
    var renewing = 0;


    function lease() {
        try {
            return (localStorage.getItem(name) || "").split(" ");
        } catch (error) {
            return null;
        }
    }


    function renew() {
        var held = dormant ? null : lease();
        var now = Date.now();
        var free = held && (held[0] === mine || !(held[1] > now && held[1] < now + 2 * LEASE));

        if (dormant) {
            return;
        }

        if (held && free) {
            localStorage.setItem(name, mine + " " + (now + LEASE));
        }

        if (held && !free && letGo) {
            letGo();
        } else if (free && held[0] === mine && !letGo) {
            turn();
        } else if (!held && !letGo) {
            turn();
        }
    }


    function begin() {
        if (letGo || renewing) {
            return;
        }

        if (channel && navigator.locks) {
            renewing = new AbortController();
            navigator.locks.request(name, { signal: renewing.signal }, turn).catch(function () {});

        } else if (channel) {
            /* A tab takes a free lease when it finds its own name in it a while later. */
            renewing = setInterval(renew, LEASE / 4);
            renew();
            setTimeout(renew, 300 + 300 * Math.random());

        } else {
            renewing = true;
            turn();
        }
    }


    function end() {
        if (renewing && renewing.abort) {
            renewing.abort();

        } else if (renewing) {
            clearInterval(renewing);
        }

        renewing = 0;
        dormant = false;

        if (letGo) {
            letGo();
        }

        /* also one that it has taken and not begun: the next page would wait for its end */
        if (!navigator.locks && lease() && lease()[0] === mine) {
            localStorage.removeItem(name);
        }
    }


    /* What is said among the tabs, in this one. */

    function hear(message) {
        if (message.hello) {
            greet(message.hello);

        } else if (message.ask && letGo && hello) {
            channel.postMessage({ hello: hello });
            Object.keys(open).forEach(function (id) {
                channel.postMessage({ notice: open[id], user: hello.user });
            });

        } else if (message.user !== user) {
            return;

        } else if (message.notice) {
            arrived(message.notice);

        } else if (message.closed) {
            closed(message.closed, message.why);

        } else if (message.seen) {
            seen[message.seen] = true;
        }
    }


    function greet(said) {
        if (!said.user || said.user !== user) {
            /* Somebody else, or nobody: what was meant for this page's reader goes. */
            hello = letGo ? said : null;
            waiting = [];
            remove();
            return;
        }

        hello = said;
        next();
    }


    function arrived(notice) {
        var known = (shown && shown.id === notice.id) || over[notice.id]
                    || waiting.some(function (other) { return other.id === notice.id; });

        if (!known) {
            waiting.push(notice);
            next();
        }
    }


    /* An answer to a change is a choice: privacy.js asks what holds by now. */
    function answered(id) {
        if (!over[id] && id.charAt(0) === "v") {
            document.dispatchEvent(new CustomEvent("privacy:answered"));
        }
    }


    function closed(id, why) {
        if (why === "answered") {
            answered(id);
        }
        over[id] = true;
        waiting = waiting.filter(function (other) { return other.id !== id; });

        if (!shown || shown.id !== id || shown.done || shown.sending) {
            return;
        }

        /* Not from under somebody's fingers. */
        if (shown.section.contains(document.activeElement)) {
            finish([label(why === "retracted" ? "taken_back" : "elsewhere")]);
        } else {
            remove();
            next();
        }
    }


    /* Words. */

    function label(key) {
        return hello.labels["notice_" + key] || hello.labels[key] || "";
    }


    function fill(key, field, value) {
        return label(key).split("{" + field + "}").join(value);
    }


    function titles(purposes) {
        return purposes.map(function (purpose) { return purpose.title || purpose.id; }).join(hello.labels.comma);
    }


    function inAgree(purpose) {
        return !purpose.separate;
    }


    function separately(purpose) {
        return purpose.separate;
    }


    function purposes(key, list) {
        return list.length ? [fill(key, "purposes", titles(list))] : [];
    }


    /* What each answer does, in sentences. */
    function terms(notice) {
        var list = notice.purposes || [];

        return purposes("allows", list.filter(inAgree))
            .concat(purposes("separate", list.filter(separately)))
            .concat(purposes("switches_off", list))
            .concat(notice.reduces_rights ? [label("reduces")] : list.length ? [] : [label("nothing_switched")]);
    }


    /* What an answer did. */
    function result(answer, notice) {
        var list = notice.purposes || [];
        var said = [label("said_" + answer)];

        if (answer === "agree") {
            said = said.concat(purposes("now_allowed", list.filter(inAgree)));
        } else if (answer === "decline") {
            said = said.concat(purposes("now_off", list));
        }

        return said;
    }


    /* Elements. */

    function element(tag, attributes, content) {
        var made = document.createElement(tag);

        Object.keys(attributes || {}).forEach(function (key) {
            made.setAttribute(key, attributes[key]);
        });

        (content || []).forEach(function (part) {
            made.appendChild(typeof part === "string" ? document.createTextNode(part) : part);
        });

        return made;
    }


    function link(address, text) {
        return element("a", { href: address }, [text]);
    }


    function button(answer, text) {
        return element("button", { name: "answer", value: answer }, [text]);
    }


    function paragraphs(text) {
        return (text || "").split("\n").filter(Boolean).map(function (line) {
            return element("p", { dir: "auto" }, [line]);
        });
    }


    function partTitle(i) {
        return [label("happened"), label("measures"), label("advice"), label("remedies")][i] || "";
    }


    function part(said, i) {
        return element("details", i === 0 ? { open: "" } : {},
            [element("summary", {}, [said.title || partTitle(i)])].concat(paragraphs(said.text)));
    }


    /* The publisher's day; what was published later holds from then on. */
    function since(notice) {
        var late = Date.parse(notice.published) > Date.parse(notice.effective);

        return ((late ? notice.published : notice.effective) || "").slice(0, 10);
    }


    function contents(notice) {
        var said = paragraphs(notice.summary).concat((notice.parts || []).map(part));

        if (notice.corrects) {
            said.push(element("p", {}, [label("corrects"), label("space"),
                link(prefix + "notices/" + encodeURIComponent(notice.corrects), notice.corrects)]));
        }

        if (notice.kind === "change") {
            said.push(element("p", {}, [fill("effective", "date", since(notice)), label("space"),
                link(prefix + "diff/mine/" + encodeURIComponent(notice.version), label("diff"))]));
            said.push(element("ul", {}, terms(notice).map(function (term) { return element("li", {}, [term]); })));
        }

        return said;
    }


    function buttons(notice) {
        var ways = notice.kind === "change"
            ? [button("agree", label("agree")), button("decline", label("decline"))]
            : [button("acknowledge", label("understood"))];

        return element("div", { "class": "privacy-buttons" }, ways.concat(button("later", label("later"))));
    }


    function small() {
        var n = waiting.length;
        var said = [label("later_help")];

        if (n) {
            said.push(label("space"), link(prefix + "notices", n === 1 ? label("waiting_one") : fill("waiting", "n", n)));
        }

        return element("p", { "class": "privacy-small" }, said);
    }


    function heading(notice) {
        var said = notice.title || label("kind_" + notice.kind);

        return notice.kind === "change" ? said + " " + notice.version : said;
    }


    function panel(notice) {
        var kind = label("kind_" + notice.kind);
        var published = (notice.published || "").slice(0, 10);
        var day = published ? [" \u00b7 ", element("time", { datetime: notice.published }, [published])] : [];
        var text = [
            element("p", { "class": "privacy-kind" }, [kind].concat(day)),
            element("p", { "class": "privacy-title", id: "privacy-notice-title", dir: "auto" }, [heading(notice)])
        ].concat(contents(notice));
        var form = element("form", { method: "post",
                                     action: prefix + "notices/" + encodeURIComponent(notice.id) + "/ack" }, [
            element("div", { "class": "privacy-text" }, text), buttons(notice), small()]);

        return element("section", { id: "privacy-notice", "class": "privacy-panel", role: "region",
            "aria-labelledby": "privacy-notice-title", lang: hello.language, dir: hello.direction, tabindex: "0",
            "data-notice": notice.id, "data-kind": notice.kind }, [form]);
    }


    /* Polite: what somebody is reading is read to its end first. */
    function announce(text) {
        var place = document.getElementById("privacy-announcer");

        if (!place) {
            place = element("div", { id: "privacy-announcer", role: "status" });
            document.body.appendChild(place);
        }

        place.lang = hello.language;
        setTimeout(function () { place.textContent = text; }, 100);
    }


    /* Shows the next one, where there is none. */
    function next() {
        var notice;

        if (shown || !hello || hello.user !== user || !document.body) {
            return;
        }

        notice = waiting.shift();
        if (!notice) {
            return;
        }

        shown = { id: notice.id, notice: notice, section: panel(notice) };
        document.body.insertBefore(shown.section, document.body.firstChild);
        attach();
        announce(fill("arrived", "title", heading(notice)));
    }


    function remove() {
        if (shown) {
            watch.disconnect();
            shown.section.remove();
            shown = null;
        }
    }


    function attach() {
        shown.form = shown.section.querySelector("form");
        shown.form.addEventListener("submit", submitted);
        watch.observe(shown.section);
    }


    /* Seen: on the screen of a visible page for a second; told a little later, so that not all tell at once. */

    var watch = typeof IntersectionObserver === "function"
        ? new IntersectionObserver(looked, { threshold: [0, 0.25, 0.5, 0.75, 1] })
        : { observe: function () {}, disconnect: function () {} };
    var visible = false;
    var looking = 0;


    function looked(entries) {
        var entry = entries[entries.length - 1];
        var height = window.innerHeight || 1;

        visible = entry.intersectionRatio >= 0.5 || entry.intersectionRect.height >= height / 3;
        look();
    }


    function look() {
        clearTimeout(looking);

        if (shown && visible && !shown.done && !seen[shown.id] && document.visibilityState === "visible") {
            looking = setTimeout(saw, 1000 + 2000 * Math.random(), shown.id);
        }
    }


    function saw(id) {
        if (seen[id] || !shown || shown.id !== id || !hello) {
            return;
        }

        seen[id] = true;
        tell({ seen: id, user: user });
        post(id, { answer: "seen" }).catch(function () { seen[id] = false; });
    }


    /* Answering. */

    function post(id, what) {
        return fetch(prefix + "notices/" + encodeURIComponent(id) + "/ack", {
            method: "POST",
            credentials: "same-origin",
            keepalive: true,
            headers: { "Accept": "application/json", "Content-Type": "application/json" },
            body: JSON.stringify(what)
        });
    }


    /* {notice, token, user} as they are now; the token is for the one answer. */
    function fetchNotice(id) {
        return fetch(prefix + "notices/" + encodeURIComponent(id),
            { credentials: "same-origin", headers: { Accept: "application/json" } })
            .then(function (answer) {
                return answer.ok ? answer.json() : fail(answer);
            });
    }


    function Said(text) {
        this.text = text;
    }


    /* Rejects with what is to be said. */
    function fail(answer) {
        var retry = parseInt(answer.headers.get("Retry-After"), 10);

        return answer.json().catch(function () { return {}; }).then(function (said) {
            var text = said.message || label("failed");

            if (answer.status === 409) {
                text = label("stale");
            }
            if (retry > 0) {
                text += label("space") + fill("retry", "n", retry);
            }

            throw new Said(text);
        });
    }


    /* Not "disabled": the keyboard's focus would be lost. */
    function enable(enabled) {
        shown.sending = !enabled;
        shown.form.querySelectorAll("button").forEach(function (one) {
            one.setAttribute("aria-disabled", String(!enabled));
        });
    }


    function say(text) {
        var line = shown.section.querySelector(".privacy-message");

        if (!line) {
            line = element("p", { "class": "privacy-message", role: "alert" });
            shown.form.insertBefore(line, shown.form.querySelector(".privacy-buttons"));
        }

        line.textContent = text;
        line.scrollIntoView({ block: "nearest" });
    }


    function submitted(event) {
        var pressed = event.submitter || document.activeElement;

        /* Without words of its own the script leaves it to the form. */
        if (!pressed || pressed.name !== "answer" || !hello || hello.user !== user) {
            return;
        }

        event.preventDefault();
        if (!shown.sending) {
            answer(shown, pressed.value);
        }
    }


    function answer(one, what) {
        enable(false);

        fetchNotice(one.id).then(function (fresh) {
            if (fresh.user !== user) {
                throw null;
            }
            one.notice = fresh;
            return post(one.id, { token: fresh.token, answer: what, "return": location.pathname + location.search });

        }).then(function (got) {
            return got.ok ? got.json() : fail(got);

        }).then(function (said) {
            if (said.saved !== true) {
                throw new Said(said.message || label("failed"));
            }
            if (what !== "later") {
                answered(one.id);
            }
            over[one.id] = true;
            delete open[one.id];
            if (channel) {
                channel.postMessage({ closed: one.id, why: what === "later" ? what : "answered", user: user });
            }
            if (shown === one) {
                finish(result(what, one.notice), what !== "later" && one.notice.kind === "change");
            }

        }).catch(function (error) {
            if (shown !== one) {
                return;
            }
            if (error === null) {
                remove();
                return;
            }
            enable(true);
            say(error instanceof Said ? error.text : label(navigator.onLine === false ? "offline" : "failed"));
        });
    }


    /* Says what happened; stays until it is closed. */
    function finish(sentences, choices) {
        var more = waiting.length > 0;
        var done = element("button", { type: "button" }, [label(more ? "next" : "close")]);
        var said = element("div", { "class": "privacy-done", role: "status" }, sentences.map(function (sentence) {
            return element("p", {}, [sentence]);
        }));
        var held = shown.section.contains(document.activeElement);

        if (choices) {
            said.appendChild(element("p", {}, [label("change_mind"), label("space"),
                link(prefix + "choices", label("settings"))]));
        }

        done.addEventListener("click", function () {
            remove();
            next();
        });

        shown.done = true;
        shown.sending = false;
        shown.form.replaceChildren(
            shown.form.querySelector(".privacy-title"), said, element("div", { "class": "privacy-buttons" }, [done]));

        if (held) {
            done.focus({ preventScroll: true });
        }
    }


    /* Who goes back in the history sees a page that may be older than the answer. */
    function check(id) {
        var navigation = performance.getEntriesByType("navigation")[0];

        if (navigation && navigation.type === "back_forward") {
            fetch(prefix + "notices/" + encodeURIComponent(id),
                { credentials: "same-origin", headers: { Accept: "application/json" } })
                .then(function (answer) {
                    return answer.status === 404 ? {} : answer.json();
                }).then(function (fresh) {
                    if (!(fresh.due && fresh.user === user && fresh.answer !== "later")) {
                        closed(id, "old");
                    }
                }).catch(function () {});
        }
    }


    /* The bar that the page came with is the one that is shown. */
    function start() {
        var bar = document.getElementById("privacy-notice");

        if (bar && !shown && bar.dataset.notice) {
            shown = { id: bar.dataset.notice, notice: {}, section: bar };
            attach();
            check(shown.id);
        }

        begin();
        if (channel) {
            channel.postMessage({ ask: true });
        }
    }


    if (!user || typeof EventSource !== "function") {
        return;
    }

    if (channel) {
        channel.addEventListener("message", function (event) { hear(event.data); });
    }

    document.addEventListener("visibilitychange", look);

    /* A page that may come back from memory takes nothing along: somebody else may be logged in by then. */
    window.addEventListener("pagehide", function (event) {
        end();

        if (event.persisted) {
            hello = null;
            waiting = [];
            remove();
        }
    });

    window.addEventListener("pageshow", function (event) {
        if (event.persisted) {
            begin();
            if (channel) {
                channel.postMessage({ ask: true });
            }
        }
    });

    if (me.dataset.style) {
        document.head.appendChild(element("link", { rel: "stylesheet", href: me.dataset.style }));
    }

    if (document.readyState === "loading") {
        document.addEventListener("DOMContentLoaded", start);
    } else {
        start();
    }
}());
