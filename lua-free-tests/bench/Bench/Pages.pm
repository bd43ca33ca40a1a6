package Bench::Pages;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Pages as real as they come, the same every time: one '<' every 20 to 25 bytes, attributes with quotes, scripts.

use strict;
use warnings;

my @words = qw(tea leaf spring harvest mountain water cup kettle steam season fragrant gentle bright long short roast
    fresh market street river stone bridge morning evening light shade basket price);


sub page {
    my ($bytes, $marked) = @_;

    my $seed = 20261201;
    my $chance = sub {
        my ($n) = @_;
        $seed = ($seed * 1103515245 + 12345) & 0x7fffffff;
        return ($seed >> 8) % $n;
    };

    my $head = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>A page</title>\n"
        . "<link rel=\"stylesheet\" href=\"/style.css\">\n"
        . "<script>window.data = { a: 1 < 2, b: \"</div>\" };</script>\n</head>\n"
        . "<body class=\"page\" data-kind=\"bench\">\n<header><h1>A page</h1></header>\n";
    my $mark = $marked ? "<div class=\"legal\" data-privacy=\"version\"></div>\n" : '';
    my $tail = "</body>\n</html>\n";

    my $some = sub { my ($n) = @_; return join ' ', map { $words[$chance->(scalar @words)] } 1 .. 1 + $chance->($n) };

    my $text = '';
    my $limit = $bytes - length($head) - length($tail) - length($mark);
    while (length $text < $limit) {
        my $kind = $chance->(40);
        my ($word, $other, $short, $long) = ($some->(1), $some->(1), $some->(6), $some->(15));
        $text .= $kind == 0 ? "<script>if (a < b && c > d) { show(\"<b>$word</b>\", '$other'); }</script>\n"
            : $kind < 8 ? "<p class=\"$word\">$long <b>$short</b> $long <i>$word</i></p>\n"
            : $kind < 16 ? "<li><a href=\"/$word/$other\" title=\"$word > $other\">$short</a></li>\n"
            : $kind < 24 ? "<div id='$word'><span>$long</span></div>\n"
            : $kind < 30 ? "<img src=\"/i/$word.jpg\" alt=\"$short\"><br>\n"
            : "<td>$short</td><td>$short</td>\n";
    }
    $text = substr $text, 0, $limit;
    $text =~ s/<[^<>]*\z/' ' x length $&/e;
    return $head . $text . $mark . $tail;
}


1;
