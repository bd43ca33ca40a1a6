#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# privacyctl verify, against a live site and against copies of it in which one thing is not as it was signed: it is
# found, and said where.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::UNIX ();
use POSIX qw(strftime);
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('verify');
$t->redis->start;
$t->upstream(sub { return { headers => ['Content-Type' => 'text/plain'], body => 'hello' } });
$t->config(site_conf(<<'CONF'));
    listen unix:%%DIR%%/live.sock;
    location / { proxy_pass %%UPSTREAM%%; }
CONF

my $site = $t->site;
my $keys = $t->keys_dir;
my @key = ('--key', "$keys/$site.key", '--yes');
my @editorial = (changes => [{ kind => 'editorial', summary => { 'zh-CN' => 'x', en => 'x' } }]);

sub in_days { return strftime('%Y-%m-%dT%H:%M:%SZ', gmtime time + 86400 * shift) }
sub done {
    my ($status, $out) = $t->ctl(@_, $t->ctl_site);
    is($status, 0, "$_[0] is done") or diag($out);
}

# A log with all kinds of entries

done('publish', $t->bundle(version => 'one'), @key);
done('publish', $t->bundle(version => 'two', effective => in_days(0), @editorial), @key);
done('publish', $t->bundle(version => 'late', effective => in_days(30), @editorial), @key);
done('withdraw', 'late', '--reason', 'A mistake', @key);
done('rollover', "$keys/next", @key);
@key = ('--key', "$keys/next/$site.key", '--yes');
done('publish', $t->bundle(version => 'three', effective => in_days(0), @editorial), @key);
my $length = 6;

$t->start;
my $in_force = sub { (eval { json($t->get('/privacy/versions.json')->body) } || {})->{in_force} // 'none yet' };
ok(wait_for(sub { $in_force->() eq 'three' }, 20), 'a live site');

sub verify {
    my ($socket, @options) = @_;
    my ($status, $out) = $t->ctl('verify', "unix:$t->{dir}/$socket:/privacy/", @options);
    return ($status, $out);
}
my @old = ('--public', "$keys/$site.pub");
my @new = ('--public', "$keys/next/$site.pub");

for my $public (\@old, \@new) {
    my ($status, $out) = verify('live.sock', @$public);
    is($status, 0, 'the live site is as signed') or diag($out);
    like($out, qr/6 entries \(4 versions, 1 withdrawals, 1 new keys\)/, '... all of it');
}
my ($code, $said) = verify('live.sock', @old, '--json');
my $answer = json($said);
ok($answer->{ok} && $answer->{complete} && $answer->{entries} == $length, 'as JSON');
$t->ctl('keygen', '--site', $site, "$keys/foreign");
is((verify('live.sock', '--public', "$keys/foreign/$site.pub", '--log-only'))[0], 1, 'a foreign key: nothing holds');
is((verify('none.sock', @old))[0], 3, 'no answer is told apart from a wrong one');
is((verify('live.sock', @old, '--site', 'other', '--log-only'))[0], 1, 'another site was expected');
is((verify('live.sock', @old, '--expect-length', 7, '--log-only'))[0], 1, 'a longer log was expected');
is((verify('live.sock'))[0], 2, 'a key is needed');

# A copy of all that verify asks for, which can be altered

my %copy;
sub take {
    my ($path, @headers) = @_;
    my $r = $t->get("/privacy/$path", @headers);
    is($r->status, 200, "/privacy/$path");
    return $copy{"/privacy/$path"} = $r->body;
}
my @json = (Accept => 'application/json');
take('log?page=1');
take("log/$_") for 1 .. $length;
take('', @json);
take('versions.json?page=1');
for my $version (qw(one two late three)) {
    take("versions/$version/proof", @json);
    for my $language (qw(zh-CN en)) {
        take("versions/$version.$_?lang=$language") for qw(md json html);
    }
}

# Serves the copy, with some of it replaced, for as long as the code runs.
sub served {
    my ($changes, $code) = @_;
    my %served = (%copy, %$changes);
    my $path = "$t->{dir}/copy.sock";
    unlink $path;
    my $listener = IO::Socket::UNIX->new(Local => $path, Listen => 5) or die "listen: $!";
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        local $SIG{PIPE} = 'IGNORE';
        while (my $client = $listener->accept) {
            my $buffer = '';
            while (sysread $client, $buffer, 65536, length $buffer) {
                while ($buffer =~ s/^GET (\S+) .*?\r\n\r\n//s) {
                    my $body = $served{$1};
                    my $status = defined $body ? '200 OK' : '404 Not Found';
                    $body //= '';
                    syswrite $client, "HTTP/1.1 $status\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
                }
            }
        }
        POSIX::_exit(0);
    }
    close $listener;
    my @result = $code->();
    kill KILL => $pid;
    waitpid $pid, 0;
    return @result;
}

sub found {
    my ($what, $changes, $expected, @options) = @_;
    my ($status, $out) = served($changes, sub { verify('copy.sock', @old, @options) });
    is($status, 1, "$what: found") or diag($out);
    like($out, $expected, "... $expected") if $expected;
}

is((served({}, sub { verify('copy.sock', @old) }))[0], 0, 'the copy is as signed');

# One bit of a served entry, at every place

for my $number (4, 5, 6) {
    my $entry = $copy{"/privacy/log/$number"};
    my ($missed, $vague) = (0, 0);
    my $end = length((split /^/, $entry, 4)[3] // '');
    my $step = $number == 6 ? 29 : 11;
    for (my $i = $number; $i < length $entry; $i += $step) {
        my $altered = $entry;
        substr($altered, $i, 1) ^= chr(1 << $i % 8);
        my ($status, $out) = served({ "/privacy/log/$number" => $altered },
            sub { verify('copy.sock', @old, '--log-only') });
        $missed++, diag("byte $i: $out") if $status != 1;
        my $where = $i < length($entry) - $end ? qr/frame|signature|head/ : qr/policy\.json|Markdown|HTML/;
        $vague++, diag("byte $i: $out") if $out !~ /entry $number.*$where/;
    }
    is($missed, 0, "entry $number: every altered byte is found");
    is($vague, 0, "... where it is");
}
my $text = $copy{'/privacy/log/6'};
my $at = index $text, 'How we handle';
found('a text', { '/privacy/log/6' => $text =~ s/How we handle/Now we handle/r },
    qr/entry 6 \(version three\), en, Markdown: bytes (\d+) to \d+ are not what was signed/);
found('cut', { '/privacy/log/6' => substr $text, 0, -1 }, qr/entry 6.*HTML/);
found('longer', { '/privacy/log/6' => "$text " }, qr/entry 6.*bytes, and was signed with/);
found('empty', { '/privacy/log/2' => '' }, qr/entry 2/);

# Entries that are missing, out of order, foreign, and logs that are another one

found('missing', { '/privacy/log/2' => undef }, qr/entry 2.*not served.*404/);
found('out of order', { '/privacy/log/1' => $copy{'/privacy/log/2'}, '/privacy/log/2' => $copy{'/privacy/log/1'} },
    qr/entry 1.*is number 2/);
found('the withdrawal for the new key', { '/privacy/log/4' => $copy{'/privacy/log/5'} }, qr/entry 4.*is number 5/);

my $other = Test::Privacy->new('verify-other');
$other->redis->start;
system('cp', '-a', $keys, "$other->{dir}/keys") == 0 or die 'no keys';
for my $version (qw(one two)) {
    my ($status, $out) = $other->ctl('publish', $other->bundle(version => $version, effective => in_days(0),
        choice_days => 99, $version eq 'one' ? () : @editorial), $other->ctl_site, '--key', "$keys/$site.key", '--yes');
    is($status, 0, 'another log with the same key') or diag($out);
}
my @other = map { $other->redis->command('GET', "privacy:$site:bundle:$_->{digest}") }
    @{json(($other->ctl('versions', $other->ctl_site, @old, '--json'))[1])};
found('an entry of another log', { '/privacy/log/2' => $other[1] }, qr/entry 2.*(?:list says|entry after it names)/,
    '--log-only');

sub list {
    my ($change) = @_;
    my $list = json($copy{'/privacy/log?page=1'});
    $change->($list);
    return ('/privacy/log?page=1' => JSON::PP->new->utf8->encode($list));
}
found('an entry that is not listed', { list(sub { splice @{$_[0]{entries}}, 2, 1; $_[0]{total}-- }) },
    qr/lists number 4 where 3 has to be/, '--log-only');
found('a length that is not so', { list(sub { $_[0]{total} = 9 }) }, qr/says that it has 9/, '--log-only');
for my $field (qw(digest previous version effective)) {
    found("the list's $field", { list(sub { $_[0]{entries}[1]{$field} =~ tr/0-9a-z/1-9a-z0/ }) }, qr/entry 2/, '--log-only');
}
found('no log', { '/privacy/log?page=1' => '{' }, qr/no page of a publication log/);

# What is remembered

my $state = "$t->{dir}/state";
my @remember = (@old, '--log-only', '--state', $state);
is((verify('live.sock', @remember))[0], 0, 'seen, and remembered');
is((verify('live.sock', @remember))[0], 0, '... the same again');
my %cut = (list(sub { $#{$_[0]{entries}} = 3; $_[0]{total} = 4 }));
my ($status, $out) = served(\%cut, sub { verify('copy.sock', @old, '--log-only') });
is($status, 0, 'a cut log looks like a shorter one') or diag($out);
($status, $out) = served(\%cut, sub { verify('copy.sock', @remember) });
is($status, 1, '... but not to who has seen more');
like($out, qr/has 4 entries, and had 6 before/, '... which is said');
my %forked = ('/privacy/log/1' => $other[0], '/privacy/log/2' => $other[1], list(sub {
    $#{$_[0]{entries}} = 1;
    $_[0]{total} = 2;
    my @heads = map { json((split /\n/)[2]) } @other;
    for my $i (0, 1) {
        my $entry = $_[0]{entries}[$i];
        $entry->{digest} = sha256_hex((split /\n/, $other[$i])[2]);
        $entry->{$_} = $heads[$i]{$_} for qw(previous published version effective);
    }
}));
spew($state, sprintf '{"site":"%s","entries":2,"digest":"%s"}', $site, sha256_hex((split /\n/, $copy{'/privacy/log/2'})[2]));
($status, $out) = served(\%forked, sub { verify('copy.sock', @old, '--log-only') });
is($status, 0, 'another log, signed with the same key, is one by itself') or diag($out);
($status, $out) = served(\%forked, sub { verify('copy.sock', @remember) });
is($status, 1, '... but not to who has seen the other');
like($out, qr/entry 2.*another one than was seen before/, '... which is said');

# What the site shows

my $en = '?lang=en';
found('a Markdown text', { "/privacy/versions/two.md$en" => $copy{"/privacy/versions/two.md$en"} =~ s/How/Now/r },
    qr/version two\), versions\/two\.md\?lang=en: differs from what was signed from byte 18 on/);
found('a page', { "/privacy/versions/two.html$en" => $copy{"/privacy/versions/two.html$en"} =~ s/How we/Now we/r },
    qr/version two\), versions\/two\.html\?lang=en: does not have the text.*byte \d+/);
found('its title', { "/privacy/versions/two.html$en" => $copy{"/privacy/versions/two.html$en"} =~ s/(<h1[^>]*>)Pri/$1Pro/r },
    qr/title/);
for my $field (qw(version digest effective published language title markdown)) {
    my $json = json($copy{"/privacy/versions/two.json$en"});
    $json->{$field} =~ s/.\z/~/s;
    found("its JSON's $field", { "/privacy/versions/two.json$en" => JSON::PP->new->utf8->encode($json) }, qr/"$field"/);
}
my $cookies = json($copy{"/privacy/versions/two.json$en"});
$cookies->{purposes}[1]{cookies}[0]{name} = '*';
found("its JSON's cookies", { "/privacy/versions/two.json$en" => JSON::PP->new->utf8->encode($cookies) }, qr/"purposes"/);
for my $field (qw(digest previous key signature head bodies sequence)) {
    my $json = json($copy{'/privacy/versions/two/proof'});
    if (ref $json->{$field}) { $json->{$field}[1]{sha256} = '0' x 64 } else { $json->{$field} =~ s/.\z/~/s }
    found("its proof's $field", { '/privacy/versions/two/proof' => JSON::PP->new->utf8->encode($json) }, qr/proof.*"$field"/);
}
found('a page that is gone', { '/privacy/versions/late.html?lang=zh-CN' => undef }, qr/version late.*404/);

my $list = json($copy{'/privacy/versions.json?page=1'});
pop @{$list->{versions}};
found('a version that is not listed',
    { '/privacy/versions.json?page=1' => JSON::PP->new->utf8->encode($list) }, qr/lists 3/);
$list = json($copy{'/privacy/versions.json?page=1'});
delete $_->{withdrawn} for @{$list->{versions}};
found('a withdrawn one that is listed as any', { '/privacy/versions.json?page=1' => JSON::PP->new->utf8->encode($list) },
    qr/entry 3.*"withdrawn"/);
found('an older one as the one in force', { '/privacy/' => $copy{"/privacy/versions/two.json$en"} },
    qr/in force.*is number 2, and by the log it is 6/);

$other->redis->stop;
$other->{finished} = $other->{clean} = 1;
$t->finish;
