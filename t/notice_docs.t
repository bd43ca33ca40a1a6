#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# docs/notices.md: its examples are sent and its commands run, one after the other, as they stand there.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";
use File::Basename qw(dirname);
use JSON::PP ();
use POSIX qw(strftime);
use Test::More;
use Test::Privacy;

my $t = Test::Privacy->new('notice_docs', module => '');
$t->redis->start;
$t->publish($t->bundle);
my $folder = "$t->{dir}/desk";
my $keys = $t->keys_dir;

# What the reader has on the desk

mkdir $folder;
mkdir "$folder/policy";
rename $t->bundle(version => '2', changes => [{ kind => 'contact', summary => 'x' }], effective =>
    strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + 9 * 86400))), "$folder/policy/next";
symlink "$keys/$_", "$folder/$_" for 'example.key', 'example.pub', 'keys';
spew("$folder/concerned.txt", "anna\nbert\ncora\n");
spew("$folder/all-users.txt", join '', map { "$_\n" } qw(zoe anna yves bert xenia cora));
$ENV{PRIVACY_REDIS} = $t->redis->url;
$ENV{PATH} = dirname($t->{ctl}) . ":$ENV{PATH}";

my $docs = slurp($t->root . '/docs/notices.md');
my @examples = $docs =~ /^```json\n(.*?)^```$/msg;
is(scalar @examples, 2, 'an incident and an announcement');
is_deeply([map { json($_)->{kind} } @examples], ['incident', 'announcement'], '... in this order');

my $schema = json(slurp($t->root . '/docs/notice.schema.json'));
for my $example (map { json($_) } @examples) {
    my $of = $schema->{'$defs'}{$example->{kind}};
    is_deeply([sort keys %{$example->{texts}{en}}], [sort @{$of->{required}}], "$example->{kind}: what the schema requires");
    is_deeply([sort keys %{$of->{properties}}], [sort @{$of->{required}}], '... and nothing else is there');
}
my $correction = json($examples[0]);
$correction->{texts}{$_}{title} .= ' (2)' for keys %{$correction->{texts}};
spew("$folder/correction.json", JSON::PP->new->utf8->encode($correction));

# Its commands; a date is still to come, whenever this is read

my @commands = $docs =~ /^    (\w.*)$/mg;
cmp_ok(scalar @commands, '>=', 15, 'commands');
my $later = strftime('%Y-%m-%d', gmtime(time + 90 * 86400));

for my $command (@commands) {
    my $run = $command =~ s/--until \d{4}-\d\d-\d\d/--until $later/r;
    my ($status, $out) = Test::Privacy::_run({}, 'sh', '-c', 'cd "$0" && eval "$1"', $folder, $run);
    is($status, 0, $command) or diag($out);

    spew("$folder/$1.json", $examples[$1 eq 'incident' ? 0 : 1]) if $command =~ /notice init .*?(\w+)\.json/;
    acknowledge('bert') if $command =~ /notice send incident/ && $command !~ /dry-run/;
    like($out, qr/^sent: notice $_, to the 3 users of a list/m, '... as the text goes on to call it')
        for grep { $command =~ /notice send/ && $out =~ /^sent/m && $out =~ /list/ } $command =~ /correction/ ? 'n3' : 'n1';
}

is_deeply([sort split /\n/, slurp("$folder/to-write-to.txt")], ['anna', 'cora'], 'who is written to: by name, nobody else');
ok(!-e "$folder/who.txt", '... and what says who is who is gone');
is(scalar(split /\r\n/, slurp("$folder/n1.csv")), 4, 'the export has a header and three users');
my ($status, $list) = $t->ctl('notice', 'list', $t->ctl_site, '--public', "$keys/example.pub", '--json');
is_deeply({ map { $_->{id} => $_->{standing} } @{json($list)} },
    { v2 => 'open', n1 => 'open', n2 => 'retracted', n3 => 'open', n4 => 'done' }, 'and so it stands in the end');

$t->finish;


# As nginx writes it down when somebody presses the button.
sub acknowledge {
    my ($user) = @_;

    my ($status, $subject) = $t->ctl('subject', '--site', 'example', '--keys', "$keys/keys", '--user', $user);
    chomp $subject;
    $t->redis->command('HSET', "privacy:{example:$subject}:notices", 'n1:acknowledged', time);
}
