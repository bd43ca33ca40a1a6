#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Which version was in force when: Memento (RFC 7089), version links (RFC 5829), and ?at= for people.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;

my $t = Test::Privacy->new('memento', workers => 2);
$t->redis->start;

my @editorial = (changes => [{ kind => 'editorial' }]);

$t->publish($t->bundle(version => 'one'));
sleep 2;
$t->publish($t->bundle(version => 'two', @editorial));
sleep 2;
$t->publish($t->bundle(version => 'three', @editorial));
$t->publish($t->bundle(version => 'later', @editorial, effective => '2105-01-01T00:00:00Z'));

$t->config(site_conf('', http => <<'HTTP'));
    server {
        listen %%LISTENbalanced%%;
        privacy enforce;
        privacy_site %%SITE%%;
        privacy_origin https://www.example;
        location /about/privacy/ { privacy_center; }
    }
HTTP
$t->start;
ok($t->each_worker(sub { $_[0]{sites}[0]{entries} == 4 }), 'all are known');


# Links of a response, or of a TimeMap, by address: { rel => [...], datetime => ... }.
sub links {
    my ($text) = @_;
    my %links;
    while ($text =~ /<([^>]*)>((?:\s*;\s*[\w-]+="[^"]*")*)/g) {
        my ($address, $rest) = ($1, $2);
        my %parameters = $rest =~ /([\w-]+)="([^"]*)"/g;
        push @{$links{$address}{rel}}, split ' ', delete $parameters{rel};
        $links{$address}{$_} = $parameters{$_} for keys %parameters;
    }
    return \%links;
}

sub headers { my ($r) = @_; return links(join ', ', $r->headers('Link')) }
sub rel     { my ($links, $address) = @_; return join ' ', sort @{$links->{$address}{rel} // []} }
sub gate    { my (@headers) = @_; return $t->get('/privacy/timegate', @headers) }

# The policy's own address

my $r = $t->get('/privacy/');
my $links = headers($r);
is(rel($links, '/privacy/timegate'), 'timegate', 'the policy links to its TimeGate');
is(rel($links, '/privacy/timemap'), 'timemap', 'to its TimeMap');
is($links->{'/privacy/timemap'}{type}, 'application/link-format', '... of that type');
is(rel($links, '/privacy/versions'), 'version-history', 'to its history');
is(rel($links, '/privacy/versions/three'), 'last latest-version memento', 'to itself as a version');
is(rel($links, '/privacy/versions/two'), 'predecessor-version', 'to the one before');
is(rel($links, '/privacy/'), 'privacy-policy', 'and says what it is');
is($r->header('Memento-Datetime'), undef, 'it is no memento: it changes');

# Mementos

my %time;
for my $version (qw(one two three)) {
    $r = $t->get("/privacy/versions/$version");
    is($r->status, 200, "version $version");
    like($r->header('Memento-Datetime'), qr/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/, '... is a memento');
    $time{$version} = $r->header('Memento-Datetime');
}

$links = headers($t->get('/privacy/versions/two'));
is(rel($links, '/privacy/'), 'latest-version original privacy-policy', 'a memento links to the original');
is(rel($links, '/privacy/timegate'), 'timegate', 'to the TimeGate');
is(rel($links, '/privacy/timemap'), 'timemap', 'to the TimeMap');
is($links->{'/privacy/timemap'}{from}, $time{one}, '... from the first');
is($links->{'/privacy/timemap'}{until}, $time{three}, '... until the last');
is(rel($links, '/privacy/versions/one'), 'first memento predecessor-version prev', 'to the first, which is the one before');
is(rel($links, '/privacy/versions/three'), 'last memento next successor-version', 'to the last, which is the next');
is(rel($links, '/privacy/versions/two'), 'memento', 'to itself');
is($links->{"/privacy/versions/$_"}{datetime}, $time{$_}, "... with the time of $_") for qw(one two three);

$r = $t->get('/privacy/versions/later');
is($r->status, 200, 'a version that is not yet in force can be read');
is($r->header('Memento-Datetime'), undef, '... and is no memento');
is(rel(headers($r), '/privacy/versions'), 'version-history', '... but has a history');
is(rel(headers($t->get('/privacy/versions/three')), '/privacy/versions/later'), '', 'and none links to it');

# TimeGate

$r = gate();
is($r->status, 302, 'the TimeGate redirects');
is($r->header('Location'), '/privacy/versions/three', 'without a date to the newest');
like($r->header('Vary'), qr/accept-datetime/i, 'says what decides');
is($r->header('Memento-Datetime'), undef, 'is no memento itself');
is(rel(headers($r), '/privacy/'), 'original', 'links to the original');
is(rel(headers($r), '/privacy/timemap'), 'timemap', 'and to the TimeMap');

sub at { my ($date) = @_; return gate('Accept-Datetime' => $date)->header('Location') // '' }

is(at($time{$_}), "/privacy/versions/$_", "at the moment of $_: itself") for qw(one two three);
is(at('Thu, 31 May 2007 20:35:00 GMT'), '/privacy/versions/one', 'before the first: the first');
is(at('Tue, 30 Dec 2104 00:00:00 GMT'), '/privacy/versions/three', 'in the future: what is in force now');

for my $wrong ('yesterday', '', 'Thu, 31 May 2007 20:35:00', 'Fri, 31 May 2007 20:35:00 GMT', '2007-05-31T20:35:00Z') {
    $r = gate('Accept-Datetime' => $wrong);
    is($r->status, 400, "\"$wrong\" is no date");
}
is(rel(headers($r), '/privacy/'), 'original', '... the answer still links to the original');
is($t->head('/privacy/timegate')->status, 302, 'HEAD');
is($t->post('/privacy/timegate', '')->status, 405, 'not POST');

# TimeMap

$r = $t->get('/privacy/timemap');
is($r->status, 200, 'the TimeMap');
like($r->header('Content-Type'), qr{^application/link-format}, 'in link format');
my $origin = 'http://' . $t->listen;
$links = links($r->body);
is(rel($links, "$origin/privacy/"), 'original', 'names the original');
is(rel($links, "$origin/privacy/timegate"), 'timegate', 'the TimeGate');
is(rel($links, "$origin/privacy/timemap"), 'self', 'itself');
is_deeply([map { m{/versions/(.*)} ? $1 : () } sort keys %$links], [qw(one three two)], 'and every memento');
is($links->{"$origin/privacy/versions/two"}{datetime}, $time{two}, 'with its time');
is($t->get("/privacy/timemap?page=$_")->status, 404, "there is no page $_") for 0, 2, 'x';

my $balanced = $t->visitor(listen => 'balanced')->get('/about/privacy/timemap');
like($balanced->body, qr{<https://www\.example/about/privacy/versions/one>}, 'behind a balancer: its own origin');

# For people

sub people { my ($at) = @_; my $r = $t->get("/privacy/?at=$at"); return $r->status . ' ' . ($r->header('Location') // '') }

is(people('2021-04-02'), '302 /privacy/versions/one?at=2021-04-02', 'a day before the first: the first');
is(people('2104-12-30'), '302 /privacy/versions/three?at=2104-12-30', 'a day to come: what is in force');
is(people('2021-04-02T12:00:00Z'), '302 /privacy/versions/one?at=2021-04-02T12:00:00Z', 'a moment');
is(people('2021-04-02&lang=en'), '302 /privacy/versions/one?at=2021-04-02&lang=en', 'the language is kept');
is(people($_), '400 ', "\"$_\" is no day") for '2021-02-30', '2021', 'x', '2021-04-02T', '%3Cscript%3E';
like($t->get('/privacy/?at=x', 'Accept-Language' => 'en')->body, qr/write the day as 2021-04-02/, 'which is said');
is($t->get('/privacy/versions/one?at=2021-04-02')->status, 200, 'where it leads to');

$t->finish;
