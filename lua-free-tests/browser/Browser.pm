package Browser;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# A small shop behind nginx, over plain HTTP and over TLS, and a real browser in front of it:
#
#     use FindBin; use lib $FindBin::Bin, "$FindBin::Bin/../../t/lib";
#     use Browser;
#     Browser::run('choices');            # the scenarios of choices.mjs, each check one test
#     Browser::run('archive', publish => { later => sub { my ($t) = @_; ... } });     # harness('publish later')
#
# The scenarios run in node (lib/browser.mjs); what they find comes back as one line of JSON a check.

use strict;
use warnings;
use utf8;

use Cwd qw(abs_path);
use Encode qw(encode);
use File::Basename qw(dirname);
use IO::Select;
use IPC::Open2 qw(open2);
use JSON::PP ();
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;

my $here = abs_path(dirname(__FILE__));
my $root = abs_path("$here/../..");


sub run {
    my ($name, %options) = @_;

    my $modules = ready() or return;
    my $t = Test::Privacy->new("browser-$name");
    $t->redis->start;
    $t->upstream(\&shop);
    for my $version (qw(2026-09-01 2026-12-01)) {
        $t->publish("$root/demo/policy/$version", '--urgent', 'a test');
    }
    certificate($t->dir);
    $t->config(configuration());
    $t->start;

    scenarios($t, $name, $options{publish}, {
        origin => 'http://' . $t->listen, secure => 'https://' . $t->listen('tls'),
        named => 'http://shop.example:' . port($t),
        elsewhere => 'http://elsewhere.example:' . port($t, 'elsewhere'),
        address => $t->address, log => $t->dir . '/upstream.log',
        modules => $modules, screenshots => "$root/build/browser/$name",
    });
    $t->finish;
}


# The folder with the driver in it; without one the spec has failed.
sub ready {
    binmode $_, ':utf8' for map { Test::More->builder->$_ } qw(output failure_output todo_output);
    return "$root/build/browser/" if -d "$root/build/browser/node_modules/playwright-core";

    fail('build/browser has no playwright-core: run `make browser-modules`');
    done_testing();
    return;
}


sub port { my ($t, $name) = @_; return $t->listen($name) =~ s/.*://r }


# Node's lines become tests. A spec that ends without saying so has failed.
sub scenarios {
    my ($t, $name, $publish, $facts) = @_;

    local $ENV{BROWSER_SPEC} = JSON::PP->new->canonical->encode($facts);
    local $SIG{PIPE} = 'IGNORE';
    my $pid = open2(my $out, my $in, 'node', "$here/$name.mjs");

    my $ended = 0;
    while (my $line = <$out>) {
        my $said = eval { JSON::PP->new->utf8->decode($line) };
        if (ref $said ne 'HASH') {
            diag($line);
            next;
        }
        $ended = 1 if $said->{end};
        if (defined $said->{do}) {
            my ($verb, $what) = $said->{do} =~ /^(pause|resume|publish) (\w+)$/ or die "no '$said->{do}'";
            if (!eval { $verb eq 'publish' ? $publish->{$what}->($t) : $t->redis->$verb; 1 }) {
                diag($@);
                syswrite $in, "failed\n";
                next;
            }
            syswrite $in, "done\n";
        }
        next if !defined $said->{name};
        ok($said->{ok}, $said->{name}) or diag($said->{why} // '');
    }
    waitpid $pid, 0;
    is($?, 0, 'the scenarios ended well');
    ok($ended, 'all of them');
}


sub certificate {
    my ($dir) = @_;

    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=shop.example"
        . " -keyout $dir/tls.key -out $dir/tls.crt 2>/dev/null") == 0 or die 'no certificate';
}


# Visitors come from an address each, so that none is taken for a flood.
sub configuration {
    return site_conf(<<'CONF', http => <<'HTTP');
    listen %%LISTENtls%% ssl http2;
    ssl_certificate %%DIR%%/tls.crt;
    ssl_certificate_key %%DIR%%/tls.key;
    server_name _;

    location / {
        proxy_pass %%UPSTREAM%%;
        proxy_set_header Host $http_host;
        proxy_http_version 1.1;
        privacy_user_header X-Privacy-User;
        privacy_session sessionid;
    }
    location /legal {
        proxy_pass %%UPSTREAM%%;
        privacy_marked on;
    }
    location /slow {
        proxy_pass %%UPSTREAM%%;
        proxy_http_version 1.1;
        proxy_buffering off;
    }
    location = /.well-known/gpc.json { privacy_gpc; }
CONF
    # Another site, which would like to choose for its visitors.
    server {
        listen %%LISTENelsewhere%%;
        location / { proxy_pass %%UPSTREAM%%; }
    }
HTTP
}


# The shop knows nothing of privacy: five cookies with every page that is not for everybody.

my %text = (
    gbk => '山茶小铺价目表:龙井、碧螺春',
    big5 => '山茶小舖價目表:龍井、碧螺春',
    shift_jis => '椿茶舗の価格表:龍井、煎茶',
);

sub shop {
    my ($request) = @_;

    my ($path, $query) = split /\?/, $request->{uri}, 2;
    my $cookies = Test::Privacy::Upstream::header($request, 'Cookie') // '';
    my ($user) = $cookies =~ /\bsessionid=([a-z]+\d*)\./;
    my $new = int rand 1e9;

    if ($path eq '/login' && ($query // '') =~ /^user=([a-z]+\d*)$/) {
        return { status => 303, headers => [Location => '/', 'X-Privacy-User' => $1,
            'Set-Cookie' => "sessionid=$1.$new; Path=/; HttpOnly; SameSite=Lax"] };
    }
    if ($path eq '/logout') {
        return { status => 303, headers => [Location => '/', 'X-Privacy-User' => '',
            'Set-Cookie' => 'sessionid=; Path=/; Max-Age=0; HttpOnly'] };
    }
    return { headers => ['Content-Type' => 'text/css', 'Cache-Control' => 'public, max-age=600'], body => css() }
        if $path eq '/shop.css';
    return { headers => ['Content-Type' => 'text/javascript'], body => 'document.cookie = "_ga=script; path=/";' }
        if $path eq '/tracker.js';
    return { status => 204 } if $path eq '/favicon.ico';

    my @headers = ('Content-Type' => 'text/html; charset=utf-8');
    if ($path =~ m{^/public}) {
        push @headers, 'Cache-Control' => 'public, max-age=60', ETag => '"public"';
        return { headers => \@headers, body => page($path, ' lang="en"', '<p>For everybody.</p>') };
    }

    push @headers, map { ('Set-Cookie' => $_) }
        ($cookies =~ /\bsessionid=/ ? () : "sessionid=guest.$new; Path=/; HttpOnly; SameSite=Lax"),
        ($cookies =~ /\bcsrftoken=/ ? () : "csrftoken=$new; Path=/; SameSite=Lax"),
        "track_id=$new; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax",
        "_ga=GA1.1.$new; Path=/; Max-Age=63072000; SameSite=Lax", "mystery=$new; Path=/; Max-Age=86400";
    push @headers, 'X-Privacy-User' => $user if $user && $user ne 'guest';

    if ($path =~ m{^/(gbk|big5|shift_jis)$}) {
        my $page = "<HTML><HEAD><TITLE>$text{$1}</TITLE></HEAD><BODY><H1>$text{$1}</H1></BODY></HTML>";
        $headers[1] = "text/html; charset=$1";
        return { headers => \@headers, body => encode($1, $page) };
    }
    if ($path eq '/slow') {
        return { headers => \@headers, body => sub {
            my ($socket) = @_;
            print $socket '<!DOCTYPE html><html lang="en"><head><title>slow</title></head><body><p>begin</p>';
            $socket->flush;
            IO::Select->new($socket)->can_read(60);         # until its reader has gone
            print $socket '<p id="end">end</p></body></html>';
        } };
    }
    if ($path =~ m{^/csp}) {
        push @headers, 'Content-Security-Policy' => "default-src 'self'; base-uri 'none'; form-action 'self'";
    }
    return { status => 302, headers => [@headers, Location => '/hours'], body => '' } if $path eq '/go';
    return { status => 404, headers => \@headers, body => page($path, ' lang="en"', '<p>Nothing here.</p>') }
        if $path eq '/missing';

    my $language = $path =~ m{^/zh} ? ' lang="zh-CN"' : ' lang="en"';
    my $body = $path =~ m{^/legal} ? '<p data-privacy="version"></p><div data-privacy="policy"></div>'
            . '<div data-privacy="cookies"></div><div data-privacy="changes"></div>'
            . '<p><span data-privacy="settings"></span></p>'
        : $path =~ m{^/tracked} ? '<p>Tracked.</p><script src="/tracker.js"></script>'
        : $path =~ m{^/steal} ? '<form id="f" method="post" action="' . ($query // '') . '/privacy/choices">'
            . '<input name="token" value="x"><input name="choice" value="accept_all"><button>Win</button></form>'
        : $path =~ m{^/quiet} ? '<meta name="referrer" content="no-referrer"><p>Quiet.</p>'
        : '<p>Tea, <a href="/hours?day=1">opening hours</a>, <a href="/">home</a>.</p>';
    return { headers => \@headers, body => page($path, $language, $body) };
}


sub page {
    my ($path, $language, $body) = @_;

    return qq(<!DOCTYPE html>\n<html$language>\n<head>\n<meta charset="utf-8">\n)
        . qq(<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>Shop $path</title>\n)
        . qq(<link rel="stylesheet" href="/shop.css">\n</head>\n<body>\n<header><a href="/">Shop</a></header>\n)
        . qq(<main><h1>Shop</h1>\n$body\n<p><label>Name <input name="who"></label></p></main>\n)
        . qq(</body>\n</html>\n);
}


# Rules that a page's author may well have, and that the banner has to bear.
sub css {
    return <<'END';
* { margin: 0; padding: 0; letter-spacing: .2em; }
body { font: 16px/1.5 serif; padding: 20px; }
section, nav { display: none; }
button, a { color: #05a; background: none; font-size: 10px; text-transform: uppercase; }
p { float: left; clear: both; }
END
}


1;
