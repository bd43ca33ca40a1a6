#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# $privacy_...: what a site's own configuration, log and upstream learn of a visitor's state, and when.

use strict;
use warnings;
use utf8;

use JSON::PP ();

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;

my $t = Test::Privacy->new('variables');
$t->redis->start;
$t->upstream(sub {
    my ($request) = @_;
    return { status => 404, body => 'none', headers => ['Content-Type' => 'text/plain'] }
        if $request->{uri} =~ /missing/;
    return { body => '<!doctype html><title>t</title><body><!--# include virtual="/sub" -->',
        headers => ['Content-Type' => 'text/html'] };
});

sub purposes {
    my @purposes = @{Test::Privacy::Bundle::purposes()};
    return [@purposes, Test::Privacy::Bundle::purpose('ad-network', 'Network', ['net_*'], @_)];
}

$t->publish($t->bundle(purposes => purposes()));
$t->config(<<'CONF');
%%MAIN%%
http {
    %%HTTP%%
    %%PRIVACY%%
    log_format privacy escape=json '$uri $privacy_state $privacy_consent';
    underscores_in_headers on;

    map $privacy_state $mapped { default other; undecided nobody; current somebody; }

    server {
        listen %%LISTEN%%;
        privacy enforce;
        privacy_site %%SITE%%;
        privacy_forward on;
        access_log %%DIR%%/access.log privacy;

        add_header X-State "<$privacy_state>" always;
        add_header X-Consent "<$privacy_consent>" always;
        add_header X-Purposes
            "$privacy_purpose_necessary$privacy_purpose_analytics$privacy_purpose_marketing$privacy_purpose_profile"
            always;
        add_header X-Network "<$privacy_purpose_ad_network>" always;
        add_header X-Unknown "<$privacy_purpose_nothing>" always;
        add_header X-Version "<$privacy_version>" always;
        add_header X-Bound "<$privacy_bound_version>" always;
        add_header X-Subject "<$privacy_subject>" always;
        add_header X-Signal "<$privacy_signal>" always;
        add_header X-Mapped "<$mapped>" always;

        location / { proxy_pass %%UPSTREAM%%; }
        location /ssi { ssi on; proxy_pass %%UPSTREAM%%; }
        location /sub { default_type text/plain; return 200 "sub: $privacy_state $privacy_purpose_analytics"; }
        location /early {
            default_type text/plain;
            if ($privacy_purpose_analytics) { return 200 "measured"; }
            return 200 "unmeasured";
        }
        location /cookie { default_type text/plain; return 200 "<$cookie__ga><$cookie_sessionid>"; }
        location /missing {
            proxy_pass %%UPSTREAM%%;
            proxy_intercept_errors on;
            error_page 404 /caught;
        }
        location = /caught { default_type text/plain; return 200 "error: $privacy_state"; }
        location /privacy/ { privacy_center; }
    }

    server {
        listen %%LISTEN_off%%;
        location / {
            default_type text/plain;
            return 200 "<$privacy_state><$privacy_consent><$privacy_purpose_analytics><$privacy_version><$privacy_subject>";
        }
    }
}
CONF
$t->start;

sub variables {
    my ($r) = @_;

    my %value = map { $_ => $r->header("X-$_") } qw(State Consent Network Unknown Version Bound Subject Signal Mapped);
    s/^<(.*)>$/$1/ for values %value;
    return { %value, Purposes => $r->header('X-Purposes') };
}

# Nobody in particular

my $nobody = {
    State => 'undecided', Consent => '', Purposes => '1000', Network => '0', Unknown => '0', Version => '2026-01-01',
    Bound => '', Subject => '', Signal => '', Mapped => 'nobody',
};
is_deeply(variables($t->get('/')), $nobody, 'a first visit');
is_deeply(variables($t->get('/', Cookie => 'privacy=forged')), $nobody, 'a forged cookie');
is_deeply(variables($t->get('/', 'Sec-GPC' => '1')), { %$nobody, Signal => 'gpc' }, 'Global Privacy Control');
is_deeply(variables($t->get('/', 'DNT' => '1')), { %$nobody, Signal => 'dnt' }, 'Do Not Track');
is($t->get('/early')->body, 'unmeasured', 'the rewrite phase knows');
is($t->connect(listen => '_off')->request('GET', '/')->body, '<><><><><>', 'off: nothing is known');

# Accept all

my $v = $t->visitor;
$v->get('/');
is($v->choose('accept_all')->status, 303, 'a choice');

my $seen = variables($v->get('/'));
like($seen->{Subject}, qr/^[A-Za-z0-9_-]{22}$/, 'a subject');
my $subject = $seen->{Subject};
is_deeply($seen, {
    %$nobody, State => 'current', Consent => 'analytics,marketing,ad-network', Purposes => '1110', Network => '1',
    Bound => '2026-01-01', Subject => $subject, Mapped => 'somebody',
}, 'all but what is separate');

is($v->get('/early')->body, 'measured', 'the rewrite phase knows');
is($v->get('/sub')->body, 'sub: current 1', 'a location of its own');
like($v->get('/ssi')->body, qr/sub: current 1/, 'a subrequest');
is($v->get('/missing')->body, 'error: current', 'after error_page');

my $forged = $t->get('/cookie', Cookie => 'sessionid=1; _ga=2');
is($forged->body, '<><1>', '$cookie_... reads what is left');
is($v->get('/cookie', Cookie => 'sessionid=1; _ga=2; privacy=' . $v->consent)->body, '<2><1>', 'and what was granted');

# The upstream

$t->requests;
$v->get('/', 'X-Privacy-Consent' => 'profile', 'X_Privacy_Consent' => 'profile', 'X-Privacy-Version' => '1999');
my ($request) = $t->requests;
is(Test::Privacy::Upstream::header($request, 'X-Privacy-Consent'), 'analytics,marketing,ad-network', 'forwarded');
is(Test::Privacy::Upstream::header($request, 'X-Privacy-Version'), '2026-01-01', 'with the version');
is(Test::Privacy::Upstream::header($request, 'X_Privacy_Consent'), undef, 'a client has no say, however it spells it');

# Choosing, withdrawing

$v->get('/privacy/choices');
$v->choose('custom', purpose => ['profile', 'ad-network']);
$seen = variables($v->get('/'));
is($seen->{Consent}, 'profile,ad-network', 'chosen one by one, in the order of the policy');
is($seen->{Purposes}, '1001', 'the others are off');
is($seen->{Subject}, $subject, 'the same subject');

$v->get('/privacy/choices');
$v->choose('withdraw');
$seen = variables($v->get('/'));
is_deeply($seen, {
    %$nobody, State => 'withdrawn', Bound => '2026-01-01', Subject => $subject, Mapped => 'other',
}, 'withdrawn');

# A version that words one purpose anew

$v->get('/privacy/choices');
$v->choose('accept_all');
my $changed = purposes(text => { 'zh-CN' => '与更多公司共享。', en => 'Shared with more companies.' });
$t->publish($t->bundle(version => '2026-02-01', effective => '2026-02-01T00:00:00+08:00', purposes => $changed,
    changes => [{ kind => 'purposes', purposes => ['ad-network'], summary => { 'zh-CN' => '变更', en => 'More.' } }]),
    '--urgent', 'a spec cannot wait for a week');
ok(wait_for(sub { variables($v->get('/'))->{Version} eq '2026-02-01' }, 20), 'the new version is in force');
$seen = variables($v->get('/'));
is($seen->{State}, 'stale', 'something is to be asked again');
is($seen->{Consent}, 'analytics,marketing', 'and only that is off');
is($seen->{Network}, '0', 'the purpose that changed');
is($seen->{Bound}, '2026-02-01', 'the bound version moves along');

$t->publish($t->bundle(version => '2026-03-01', effective => '2026-03-01T00:00:00+08:00', purposes => $changed,
    reduces_rights => JSON::PP::true,
    changes => [{ kind => 'rights', purposes => [], summary => { 'zh-CN' => '变更', en => 'Less.' } }]),
    '--urgent', 'a spec cannot wait for a week');
ok(wait_for(sub { variables($v->get('/'))->{Version} eq '2026-03-01' }, 20), 'one that takes rights away');
is(variables($v->get('/'))->{Bound}, '2026-02-01', 'binds only who agrees to it');

# The log

my $log = slurp($t->dir . '/access.log');
like($log, qr{^/early current analytics,marketing,ad-network$}m, 'the log knows as well');
like($log, qr{^/early undecided $}m, 'of nobody too');

$t->finish;
