#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# privacyctl check: everything that is wrong, at once, by file, line and field; what laws ask; for programs, too. And
# publish refuses the same and writes nothing.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";
use POSIX qw(strftime);
use Test::More;
use Test::Privacy;

my $t = Test::Privacy->new('check', module => '');
$t->redis->start;

my $site = $t->site;
my @site = ($t->ctl_site, '--public', $t->keys_dir . "/$site.pub");
my @key = ('--key', $t->keys_dir . "/$site.key", '--yes');
my ($status, $out);

# What Redis holds: nothing may be added by what is refused.
sub held { return join "\n", sort(@{$t->redis->command('KEYS', '*')}), $t->redis->command('XLEN', "privacy:$site:policies") }

# What it prints for programs: (exit status, JSON).
sub answer {
    my $pid = open(my $in, '-|') // die "fork: $!";
    if (!$pid) {
        open STDERR, '>', '/dev/null';
        exec { $t->{ctl} } $t->{ctl}, @_ or POSIX::_exit(127);
    }
    my $text = do { local $/; <$in> };
    close $in;
    return ($? >> 8, json($text));
}

# Everything at once

my @twice = (@{Test::Privacy::Bundle::purposes()}, Test::Privacy::Bundle::purpose('marketing', "A\x{202e}B", []));
my $folder = $t->bundle(version => '../../etc', effective => 'tomorrow', colour => 'blue',
    languages => ['zh-CN', 'en', 'fr'], choice_days => 0, purposes => \@twice,
    recipients => [{ id => 'a', name => 'A', data => 'd', use => 'u', policy => 'javascript:alert(1)' },
        { id => 'a', name => 'A', data => 'd', use => 'u' }],
    changes => [{ kind => 'moods' }], texts => {
        'zh-CN' => "# 政策\n\n<script>\nalert(1)\n</script>\n\n[x](javascript:alert(2))\n",
        en => "# Policy\n\nread \x{202e}this\n\n<b>bold</b>\n", de => "# Datenschutz\n" });
open my $raw, '>>:raw', "$folder/policy.zh-CN.md" or die $!;
print $raw "\n\xff\xfe\n";
close $raw;

($status, $out) = $t->ctl('check', $folder);
is($status, 1, 'refused');
like($out, qr/policy\.json:\d+: $_/, "... $_") for 'version: has to be', 'effective: has to be a time',
    'colour: is not a field', 'choice_days: has to be',
    'languages: names "fr"', 'purposes\[4\]\.id: there is another', 'purposes\[4\]\.title\.en: has a bidirectional control',
    'recipients\[1\]\.id: there is another', 'recipients\[0\]\.policy: has to be an address',
    'changes\[0\]\.kind: has to be';
like($out, qr/policy\.zh-CN\.md:3: has HTML in it, <script>/, '... HTML by its line');
like($out, qr/policy\.zh-CN\.md:7: has a link to "javascript:alert\(2\)"/, '... a script in a link');
like($out, qr/policy\.zh-CN\.md:9: is not valid UTF-8/, '... bytes that are no text');
like($out, qr/policy\.en\.md:3: has a bidirectional control/, '... an override in a text');
like($out, qr/policy\.en\.md:5: has HTML in it, <b>/, '... and HTML behind it');
like($out, qr/policy\.de\.md: its language is not among/, '... a text of a language that is not declared');

my @lines = split /\n/, slurp("$folder/policy.json");
my %line = map { $lines[$_] =~ /"(colour|choice_days|version)" :/ ? ($1 => $_ + 1) : () } 0 .. $#lines;
like($out, qr/policy\.json:$line{$_}: $_: /, "... the line of $_ is right") for sort keys %line;

my ($code, $answer) = answer('check', '--json', $folder);
is($code, 1, 'the same for programs');
my ($error) = grep { ($_->{field} // '') eq 'version' } @{$answer->{errors}};
is($error->{line}, $line{version}, '... with the line');
like($error->{file}, qr/policy\.json$/, '... the file');
like($error->{reason}, qr/^has to be/, '... and the reason');

my $held = held();
($status, $out) = $t->ctl('publish', $folder, $t->ctl_site, @key);
is($status, 1, 'publish refuses it, too');
like($out, qr/policy\.zh-CN\.md:3: has HTML/, '... for the same reasons');
($code, $answer) = answer('publish', '--json', $folder, $t->ctl_site, @key);
cmp_ok(scalar @{$answer->{errors}}, '>', 10, '... for programs, too');
is(held(), $held, '... and nothing was written');

# Files that are none

my $large = $t->bundle;
spew("$large/policy.en.md", "# A\n" . 'x' x 10_000_000);
mkdir "$large/policy.fr.md";
spew("$large/policy.en_US.md", "# A\n");
($status, $out) = $t->ctl('check', $large);
is($status, 1, 'files that are none');
like($out, qr/policy\.en\.md: is larger than \d+ bytes/, '... ten megabytes');
like($out, qr/policy\.fr\.md: is not a file/, '... a folder');
like($out, qr/policy\.en_US\.md: its name has no language tag/, '... no language');
unlink "$large/policy.json";
($status, $out) = $t->ctl('check', $large);
like($out, qr/policy\.json: cannot be read/, '... no policy.json');
spew("$large/policy.json", "{\n\"version\": \"1\",\n\"version\": \"2\"}");
spew("$large/policy.en.md", "<i>x</i>\n");
($status, $out) = $t->ctl('check', $large);
like($out, qr/policy\.json:3: is not JSON: duplicate/, 'a field twice');
like($out, qr/policy\.en\.md:1: has HTML/, '... and the texts are looked at all the same');

for my $id ('..', '.', '.x', '-x', 'a/b', 'a b', 'current', 'mine', 'x' x 65, '') {
    ($status, $out) = $t->ctl('check', $t->bundle(version => $id));
    is($status, 1, "the id \"$id\"");
}

# What laws ask

my $small = $t->bundle;
($status, $out) = $t->ctl('check', $small);
is($status, 0, 'warnings do not refuse');
like($out, qr/warning: .*policy\.json:\d+: $_/, "... $_") for 'controller\.address: is missing: .*PIPL Article 17',
    'controller\.complaint: is missing: .*GDPR Article 13', 'purposes\[1\]\.retention: is missing: .*PIPL Article 17';
like($out, qr/warning: .*policy\.en\.md: seems to say nothing of minors and their guardians \(PIPL Article 31/,
    '... minors');
($status) = $t->ctl('check', '--strict', $small);
is($status, 1, '--strict refuses for them');
($code, $answer) = answer('check', '--strict', '--json', $small);
is(scalar @{$answer->{warnings}}, 0, '... they are errors then');

my @demo = sort glob $t->root . '/demo/policy/*';
for my $demo (@demo) {
    ($status, $out) = $t->ctl('check', '--strict', $demo);
    is($status, 0, 'the demo has nothing to be warned of: ' . $demo =~ s{.*/}{}r) or diag($out);
}

# Against the log

$t->publish($t->bundle);
my $next = sub { return $t->bundle(version => '2', @_) };
my $day = sub { return strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + 86400 * $_[0])) };
my $partner = [{ id => 'acme', name => 'Acme', data => 'd', use => 'u' }];

($status, $out) = $t->ctl('check', @site, $next->(changes => [{ kind => 'editorial' }], recipients => $partner));
is($status, 1, 'a recipient that is declared as wording');
like($out, qr/policy\.json:\d+: recipients\[0\]: recipients added, "acme": that is a change of kind recipients/,
    '... shown');
($status, $out) = $t->ctl('check', @site, $next->(changes => [{ kind => 'editorial' }], effective => $day->(-3)));
is($status, 1, 'a day of last week');
like($out, qr/policy\.json:\d+: effective: is in the past/, '... shown');
($status, $out) = $t->ctl('check', @site, $next->(changes => []));
like($out, qr/policy\.json:\d+: changes: is empty/, 'no kind at all');
($status, $out) = $t->ctl('check', @site, $next->(recipients => $partner, effective => $day->(3),
    changes => [{ kind => 'recipients', summary => 'x' }]));
like($out, qr/effective: a material change has to be published 7 days before/, 'a material change in three days');
($status, $out) = $t->ctl('check', @site, $next->(recipients => $partner, effective => $day->(8),
    changes => [{ kind => 'recipients', summary => { 'zh-CN' => 'x' } }]));
like($out, qr/policy\.json:\d+: changes\[0\]\.summary: is missing in "en"/, 'a summary in one language of two');

($status, $out) = $t->ctl('check', @site, $next->(recipients => $partner, effective => $day->(8),
    changes => [{ kind => 'recipients', summary => 'x', purposes => ['marketing'] }]));
is($status, 0, 'what is in order') or diag($out);
utf8::decode($out);
like($out, qr/^Asked again:\n  marketing  广告营销\n/m, '... and who is asked again');
is(scalar split(/\n/, $t->redis->command('XLEN', "privacy:$site:policies")), 1, '... and nothing was published');

$t->redis->kill;
($status) = $t->ctl('check', @site, $small);
is($status, 3, 'without Redis: 3');
($status) = $t->ctl('check');
is($status, 2, 'without a folder: 2');

$t->finish;
